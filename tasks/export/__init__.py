"""Export: copies of versions outside of the store, in forms that other tools expect.

In order of use: `report` (what was done), `stage` (Parquet in folders by partition), `types` (which types Delta has),
`delta` (a Delta table whose versions are ours). Does not belong here: where exports are written down
(tasks/store/exports).
"""
