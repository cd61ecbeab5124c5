"""The store: where versions and their files lie, and the only place that knows how they get there.

In order of use: `home` (what a store does), `local` (a folder that does it), `paths` (names), `faults` (what can go
wrong, in words), `sinks` (how data files are written), `lease` (one run for each partition), `versions` (reading).
Does not belong here: what is published and why (tasks/publish).
"""
