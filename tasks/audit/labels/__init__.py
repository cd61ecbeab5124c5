"""Labels: which of them look wrong.

Belongs here: probabilities of models that did not see a row's label, and what they say of it. Does not belong here:
what becomes of such a row (tasks/dedupe), or decisions of people (tasks/audit/review).
"""
