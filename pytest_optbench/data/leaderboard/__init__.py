"""The list of the leaderboard, and what its optimizers need beside numbers."""
