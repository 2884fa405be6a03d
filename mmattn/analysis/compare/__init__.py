"""Several trainings side by side: accuracy, cost, curves and differences, on one page."""
