"""The machine: everything that touches torch (recipes, tasks, the engine). Knows nothing of pytest."""
