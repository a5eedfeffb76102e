"""The reward of a response: weighted terms, ours and the user's, and what its reasoning steps are worth."""
