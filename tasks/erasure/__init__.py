"""Erasure: a person's records leave every version, and stay away.

In order of use: what was asked (`condition`), whom it concerns (`marks`), which records those are (`matching`, and
`needles` for mentions in what is not theirs), what is left without them (`withdrawal`), how far it is (`journal`), what
else lies in the store (`sweep`), and what is proven afterwards (`receipt`). `search` reads for all of them and `stage`
puts them in order. Does not belong here: cleaning, which only asks `marks` (tasks/dedupe).
"""
