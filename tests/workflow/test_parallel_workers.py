"""What parallel workers of pytest tell one another of the demo, and what the tests need without them."""

import subprocess
import sys

from .conftest import ROOT, show_the_demo


def test_a_worker_that_begins_another_demo_shows_the_new_one(tmp_path):
    """It takes over from one that died, or runs beside it: the second link failed, and every test of the demo with it."""
    place = tmp_path / "a demo"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        show_the_demo(place, tmp_path / name)
        assert place.resolve() == tmp_path / name
    assert {path.name for path in tmp_path.iterdir()} == {"a demo", "first", "second"}


def test_the_tests_are_found_without_parallel_workers():
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "--collect-only", "-q", __file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
