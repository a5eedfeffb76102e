"""The tests need no parallel workers of pytest."""

import subprocess
import sys

from .conftest import ROOT


def test_the_tests_are_found_without_parallel_workers():
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "--collect-only", "-q", __file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
