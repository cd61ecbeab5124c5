"""Validate: the pandera model compiled into one pass that says which rules each row breaks.

Belongs here: masks, reasons, and the screening of a block. Does not belong here: deriving rules (schemas/rules), or
verdicts on duplicates (tasks/dedupe).
"""
