"""The contract: exact properties of an optimizer, each a check that fails with one sentence and the numbers."""
