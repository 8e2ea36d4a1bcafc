"""Analysis: runs tables, streamed into cases, and what is computed from many of them; numpy."""
