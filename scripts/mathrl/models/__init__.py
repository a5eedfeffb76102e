"""Model directories: a published one made ready for training and sampling, without running code from a hub."""
