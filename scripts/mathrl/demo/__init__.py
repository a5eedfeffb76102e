"""The demo's world: its problems, its benchmarks and its base model, made on the spot."""
