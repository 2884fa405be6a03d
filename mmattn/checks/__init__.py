"""Checks before a run: what would raise, train on nothing or give a wrong result is refused in one line."""
