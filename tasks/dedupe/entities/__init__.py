"""Entities: records of a table that are about the same person or thing, though no key says so.

Belongs here: counting what a declaration would compare, the probabilities of pairs, and who stands for whom. Does not
belong here: equal keys (tasks/dedupe/exact), or similar texts (tasks/dedupe/near).
"""
