"""The integration with pytest: settings, collection, items, fixtures, and the sink that gathers the rows."""
