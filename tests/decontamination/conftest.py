"""The embedding model of the tests that need one."""

from support.embedding_model import model

__all__ = ["model"]
