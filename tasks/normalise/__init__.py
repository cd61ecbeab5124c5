"""Normalise: raw text to typed candidates, with a repair for every value that changed and a count of what was not one.

Belongs here: steps, corrections and casts as polars expressions, and the plan that puts them in order. Does not belong
here: judging a value (tasks/validate), or reading and writing anything.
"""
