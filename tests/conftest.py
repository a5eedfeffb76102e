"""What tests share: the repository's root, its two environments, and a configuration to change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def config() -> dict:
    """config.yaml as a mapping of its own."""
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture
def script(tmp_path):
    """Call an entry script in an empty directory; returns the finished process (text output)."""

    def call(name: str, *arguments, timeout: float = 120, **environment) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / name, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
        )

    return call
