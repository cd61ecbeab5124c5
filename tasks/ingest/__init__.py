"""Ingest: the bytes of raw files become records, and none is lost.

Belongs here: finding and opening raw files, decompressing, splitting, parsing into cells of text, and the proof that
records and rejects together are the file. Does not belong here: what a cell means (tasks/normalise, tasks/validate).

From outside in: `listing` finds files, `reader` reads one of them with the reader of its format (`delimited`, `jsonl`,
`columnar`), `streams` decompresses, `regions` and `splitter` cut text into records, `reconcile` keeps the books.
"""
