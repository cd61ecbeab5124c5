"""Near: texts that are nearly the same, found by an exact join over sets of shingles.

Belongs here: shingles, the sets that they make, which of them are similar, and which texts stand for the others. Does
not belong here: equal keys (tasks/dedupe/exact), tabular records of one entity (tasks/dedupe/entities), or files.

No estimate decides anything: what is found similar was counted, and what is not found is not similar.
"""
