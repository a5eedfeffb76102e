"""What every process of a training gets."""

import subprocess
import sys

import pytest
from support.bank import ROOT

BAR = """
import multiprocessing, os, sys
sys.path.insert(0, {scripts!r})

def bar():
    {order}
    with tqdm.tqdm([1], disable=True) as made:
        print(type(made.get_lock().mp_lock).__name__, len(made.get_lock().locks))

if __name__ == "__main__":
    one = multiprocessing.get_context("spawn").Process(target=bar)
    one.start()
    one.join()
"""
PLUGIN, TQDM = "import mathrl.verl.plugin", "import tqdm"


@pytest.mark.parametrize(
    ("order", "found"),
    [(f"{PLUGIN}; {TQDM}", "NoneType 1"), (f"{TQDM}; {PLUGIN}", "NoneType 1"), (TQDM, "RLock 2")],
    ids=["first", "last", "not"],
)
def test_a_progress_bar_makes_no_semaphore_that_a_kill_leaves(tmp_path, order, found):
    (tmp_path / "bar.py").write_text(BAR.format(scripts=str(ROOT / "scripts"), order=order))
    done = subprocess.run([sys.executable, tmp_path / "bar.py"], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == found, done.stderr
