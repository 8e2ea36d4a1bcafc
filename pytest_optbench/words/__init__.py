"""The words: records, statistics, verdicts and tables. Imports the standard library only."""
