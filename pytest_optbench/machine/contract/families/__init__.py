"""The families: what is known in closed form of an optimizer that states what it is, one family per file."""
