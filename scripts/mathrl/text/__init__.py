"""Problem texts brought to one form, as tokens and as hashes of tokens."""
