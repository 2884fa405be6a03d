"""Reading finished runs, and showing them: tables, curves, pictures."""
