"""The page: one HTML file that shows runs tables, without a network."""
