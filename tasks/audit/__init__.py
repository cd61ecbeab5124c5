"""Audit: what is judged of a whole run or a whole table, after every row has its fate.

Belongs here: gates. Does not belong here: verdicts about single rows (tasks/validate, tasks/dedupe).
"""
