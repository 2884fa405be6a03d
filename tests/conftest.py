"""Puts this folder on the path of imports, for the tables that several tests read."""
