"""One stage of training from its start to its manifest: session, checkpoints, fingerprint, collapse, budget, forecast."""
