"""From a folder of annotated images to a config, a trained model and a report: what ``tools/fit.py`` does."""
