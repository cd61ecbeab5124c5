"""Dedupe: which records are the same one, and which of them survives.

Belongs here: decisions made on keys and on what survivors compare. Does not belong here: moving rows (the stage that
writes them), or saying whether a row is good (tasks/validate).
"""
