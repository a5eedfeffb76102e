"""The part on augmentation: there where a run uses it, with every text escaped."""

import pytest
from mathrl.config.experiment import spelled_out
from mathrl.core.files import write_json
from mathrl.report import augmentation
from mathrl.report.page import environment

HOSTILE = "</script><script>window.stolen=1</script><img src=x onerror=window.stolen=1> {{7*7}}"


def row(**more):
    plain = {"problem": HOSTILE, "answer": HOSTILE, "solution": None, "source": HOSTILE, "source_id": "a", "why": HOSTILE,
             "votes": 3, "solutions": 4, "request_sha256": "f" * 64, "solve_rate": 0.5}  # fmt: skip
    return plain | more


def funnel():
    from mathrl.augmentation.check import DOORS

    doors = [
        {"door": door, "rows_in": 20 - n, "rows_out": 19 - n, "reasons": {HOSTILE: 1}, "examples": [row()]} for n, door in enumerate(DOORS)
    ]
    part = {"mean": 0.25, "low": 0.2, "high": 0.31, "n": 40}
    distinct = {"1": {"proposals": 0.5, "sources": None}}
    told = {"diversity": {"n": 14, "distinct": distinct, "distance": None}, "difficulty": {"before": part, "after": part}}
    told |= {"entry": "retold", "kind": "variants", "model": HOSTILE, "rows": 14, "sources": 14}
    return told | {"doors": doors, "samples": [row(), row(votes=None)]}


@pytest.fixture
def study(tmp_path, config):
    config["augmentation"] = {"retold": {"kind": "variants", "model": "m", "address": "http://h/v1", "budget": {"requests": 1}}}
    config["runs"] = {"grpo": {}, "more": {"data": {"augmented": ["retold"]}}}
    folder = tmp_path / "results/augmentation/retold"
    write_json(folder / "funnel.json", funnel())
    spent = {"requests": 100, "tokens": 12345, "money": 0.5}
    write_json(folder / "requests.json", {"spent": spent, "budget": {"requests": 200, "tokens": None, "money": 1.0}, "not_asked": 3})
    return lambda select: augmentation.gather(tmp_path / "results", spelled_out(config | {"select": select}))


def test_what_is_shown_is_escaped(study):
    markup = augmentation.section(study(["more"]), environment())
    assert "<script>" not in markup and "<img" not in markup and "{{7*7}}" in markup
    for shown in ("25.00", "20.00 – 31.00, n = 40", "12\u202f345", "0.5000", "3 of 4 solutions", "decontamination", "no limit"):
        assert shown in markup, shown


def test_without_a_run_that_uses_it_there_is_no_part(study):
    assert augmentation.section(study(["grpo"]), environment()) == ""
