"""Review: the way of doubtful labels to people, and of their decisions back.

Belongs here: what is in the queue, files of decisions, and which of several decisions holds. Does not belong here:
finding what is doubtful (tasks/audit/labels, tasks/audit/annotators), or the store's part (tasks/store/reviews).
"""
