"""The reports: what people and other tools read. Built from rows alone, so anyone can rebuild them from a CSV."""
