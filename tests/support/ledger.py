"""The long tests in parts, what has passed already, and the ledger in docs/reference/tests.md.

A part takes at most 40 minutes on two cores. A test that has passed on this very code is not run again (the bank remembers it); the
ledger (tests/ledger.json, committed) says how each part ended last, and on which code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from support import bank
from support.bank import ROOT

LEDGER, PAGE = ROOT / "tests/ledger.json", ROOT / "docs/reference/tests.md"
BEGIN, END = "<!-- ledger: written by `make tests-ledger` -->", "<!-- end of the ledger -->"
MINUTES = 40

# A test belongs to the part with the longest beginning of its id; all outside tests/workflow are "rooms".
PARTS = {
    "kills": ("workflow/test_runs_that_end.py::test_twenty_kills",),
    "bytes": ("workflow/test_same_bytes.py",),
    "anytime": ("workflow/test_same_bytes.py::test_kills_at_anytime",),
    "places": ("workflow/test_odd_places.py", "workflow/test_cost_of_authentication.py"),
    "walltimes": ("workflow/test_walltimes.py",),
    "ends": (
        "workflow/test_runs_that_end.py",
        "workflow/test_longer_runs.py",
        "workflow/test_kills.py",
        "workflow/test_anywhere.py",
        "workflow/test_report_so_far.py",
    ),
    "variants": (
        "workflow/test_variants.py",
        "workflow/test_same_trainings.py",
        "workflow/test_hostile_rewards.py",
        "workflow/test_process_reward.py",
    ),
    "methods": ("workflow/test_variants.py::test_a_method_trains",),
    "augmented": ("workflow/test_augmentation.py", "workflow/test_judge_and_server.py"),
    "studies": ("workflow/test_studies.py", "workflow/test_dag.py"),
    "sweep": (
        "workflow/test_studies.py::test_a_sweep",
        "workflow/test_studies.py::test_the_forecast",
        "workflow/test_models.py",
        "workflow/test_weights.py",
        "workflow/test_damage.py",
        "workflow/test_runs_that_end.py::test_two_ranks",
        "workflow/test_runs_that_end.py::test_two_ray_nodes",
    ),
    "adapters": ("workflow/test_lora.py", "workflow/test_recipes.py", "verl/test_shapes.py", "verl/test_reshard.py"),
    "verifiers": ("workflow/test_verifiers.py",),
    "hacks": ("workflow/test_hacks.py",),
    "more-hacks": ("workflow/test_hacks.py::test_a_gate_learns_no_planted_hack_and_a_hacked_blend_is_flagged[held",),
    "versions": ("workflow/test_versions.py",),
    "grader": ("grading/", "evaluation/test_contest_judge.py"),
    "rooms": ("",),
}


def part_of(nodeid: str) -> str | None:
    """The part of a long test, or None for one of tests/workflow that no part names."""
    name = nodeid.removeprefix("tests/").split("@")[0]
    fitting = [(len(begin), part) for part, begins in PARTS.items() for begin in begins if name.startswith(begin)]
    part = max(fitting)[1]
    return None if part == "rooms" and name.startswith("workflow/") else part


def _passed_file() -> Path:
    return bank.folder() / "passed.json"


def passed() -> dict[str, dict[str, Any]]:
    """Long tests that passed: id → code hash and seconds."""
    return json.loads(_passed_file().read_text()) if bank.folder() and _passed_file().exists() else {}


def note_passed(nodeid: str, seconds: float) -> None:
    """Remember that a long test passed on the code of now."""
    known = passed()
    known[nodeid] = {"code": bank.code_hash(nodeid.split("::")[0]), "seconds": round(seconds, 1)}
    _passed_file().parent.mkdir(parents=True, exist_ok=True)
    partial = _passed_file().with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    partial.replace(_passed_file())


def has_passed(nodeid: str) -> bool:
    """Whether a test passed on this very code."""
    return passed().get(nodeid, {}).get("code") == bank.code_hash(nodeid.split("::")[0])


def read() -> dict[str, dict[str, Any]]:
    """The ledger: part → result, minutes, date, code, files, stale."""
    return json.loads(LEDGER.read_text())


def write(ledger: dict[str, dict[str, Any]]) -> None:
    """Write the ledger, with what is stale by now, and its table in docs/reference/tests.md."""
    for entry in ledger.values():
        entry["stale"] = entry["code"] != bank.code_hash(*entry["files"])
    LEDGER.write_text(json.dumps({part: ledger[part] for part in PARTS if part in ledger}, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(rendered(ledger, PAGE.read_text()))


def rendered(ledger: dict[str, dict[str, Any]], page: str) -> str:
    """The page with the table of this ledger between its marks."""
    lines = ["| part | result | minutes | date | code | |", "|---|---|---|---|---|---|"]
    for part in PARTS:
        entry = ledger.get(part)
        if entry is None:
            lines.append(f"| `{part}` | not run | | | | |")
            continue
        stale = "stale: the code has changed since" if entry["stale"] else ""
        lines.append(f"| `{part}` | {entry['result']} | {entry['minutes']} | {entry['date']} | `{entry['code']}` | {stale} |")
    head, rest = page.split(BEGIN)
    return "\n".join([head + BEGIN, "", *lines, "", END + rest.split(END)[1]])
