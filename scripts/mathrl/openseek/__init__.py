"""DeepSeek-V3-shaped checkpoints as they are published, made ready for training and vLLM without running code from a hub."""
