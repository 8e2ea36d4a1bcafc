"""pytest-optbench: deep-learning optimizer benchmarks as tests."""

__version__ = "0.1.0"
SUITE_VERSION = "2026.1"
