"""What a run needs to go on exactly where another broke off: checkpoints on disk, random states, order of the data."""
