"""Several trainings side by side: accuracy, cost, curves and differences, on one page.

The files in order of the work: `runs` reads the work folders, `predictions` predicts with the last checkpoints,
`metrics` evaluates the predictions, `intervals` says how sure differences are, `comparison` puts that together for all
runs, `tables` lays out the numbers, and `report` writes page, Markdown or CSV.
"""
