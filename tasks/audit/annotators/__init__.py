"""Annotators: several people's labels of the same things: how far they agree, how good each is, what they say together.

Belongs here: votes as numbers, agreement, models of consensus, and the audit that brings them together. Does not belong
here: changing or setting aside a vote; each is a record with a fate of its own.
"""
