"""Report: what a run did, for people: markdown, tables, later charts and HTML.

Belongs here: from counts and a few example rows to text in which every value from data is escaped. Does not belong
here: showing it anywhere (the task makes Prefect artifacts of it), or counting.
"""
