"""Retain: which versions are kept, and the removal of the others and of what killed runs left.

In order of use: `policy` (which versions), `report` (what was done), `stage` (does it). Does not belong here: erasing
somebody from versions that are kept.
"""
