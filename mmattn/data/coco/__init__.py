"""Checks of the parts of a dataset in COCO's format, each for any content that a JSON file can have."""
