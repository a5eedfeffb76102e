"""Mathematical reasoning by reinforcement learning: the library behind the workflow's scripts."""
