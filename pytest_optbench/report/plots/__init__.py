"""Figures of runs tables, one module for each."""
