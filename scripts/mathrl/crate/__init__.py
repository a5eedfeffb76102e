"""A finished study as one file to send: what goes into it, what stays out, its metadata, and the score table rebuilt from it."""
