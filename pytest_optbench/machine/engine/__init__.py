"""The engine: runs a case, all its seeds on shared batched gradients, to the bit the same in every mode."""
