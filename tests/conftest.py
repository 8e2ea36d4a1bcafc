"""What all tests share: pytest's own `pytester`, for tests of the whole plugin."""

pytest_plugins = ["pytester"]
