"""Planted hacks through real trainings: what a gate learns, and what the monitor sees. Half an hour for each half of the habits."""

import subprocess
import sys

import pytest
from mathrl.core.code_files import ROOT
from mathrl.core.files import read_json
from mathrl.demo.habits import HABITS

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("held_out", [False, True], ids=["looked at", "held out"])
def test_a_gate_learns_no_planted_hack_and_a_hacked_blend_is_flagged(tmp_path, held_out):
    """Three seeds each of grpo, a blend and a gate per habit; a habit that no blend took up shows nothing of the monitor."""
    habits = [name for name, habit in HABITS.items() if habit.held_out is held_out]
    command = [sys.executable, ROOT / "scripts/make_hack_bench.py", "--directory", tmp_path / "hacks", "--habits", *habits]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    record = read_json(tmp_path / "hacks/hacks.json")
    assert len(record["runs"]) == 3 * (1 + 2 * len(habits)) and all(len(run["curves"]["right"]) == 30 for run in record["runs"])
    for verdict in record["verdicts"]:
        came = verdict["came"] | {"blend_learns": True, "blend_is_caught": True}  # whether a policy takes a habit up in 30 steps is chance
        assert False not in came.values(), verdict
    assert (tmp_path / "hacks/hacks.svg").read_text().count('class="line"') == 3 * len(habits)
