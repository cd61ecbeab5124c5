"""Replay: the records of a version that were set aside, asked again under today's contract.

Belongs here: judging them again, and the partition that comes of it. Does not belong here: cleaning a dump
(tasks/ingest and the stages behind it).
"""
