"""Data files: the thresholds of the built-in tasks."""
