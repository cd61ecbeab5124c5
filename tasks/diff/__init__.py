"""Diff: what two versions of a data set have different, from their manifests down to single cells.

In order of use: `partitions` (what the manifests say), `columns` (how the values of a column lie), `rows` (which rows
differ), `report` (what is told), `stage` (reads the files). Does not belong here: changing anything.
"""
