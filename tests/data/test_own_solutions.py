"""Rejection sampling: right, finished, short and different responses alone become solutions, and each filter counts what it left out."""

import pytest
import yaml
from mathrl.config import experiment, validation
from mathrl.config.sources import OWN_SOLUTIONS, OwnSolutions
from mathrl.core.files import UserError, write_jsonl
from mathrl.data import own_solutions, sft_messages

RESPONSES = [
    ("p1", r"Two and two make four, so \boxed{4}.", "stop", 12),
    ("p1", r"Two and two make four; so \boxed{4}!", "stop", 13),  # the same words
    ("p1", r"Count on from two: three, four. The answer is \boxed{4}.", "stop", 16),
    ("p1", r"Half of eight is what we look for, hence \boxed{4}.", "stop", 14),
    ("p1", r"It is \boxed{5}.", "stop", 6),  # wrong
    ("p1", r"I count for a very long time and then say \boxed{4}.", "stop", 99),
    ("p1", r"The answer is \boxed{4} and", "length", 10),
    ("p2", r"No idea.", "stop", 3),
]


@pytest.fixture
def asked(tmp_path):
    problems = [{"id": "p1", "problem": "What is 2+2?", "answer": "4"}, {"id": "p2", "problem": "What is 3+3?", "answer": "6"}]
    write_jsonl(tmp_path / "asked.jsonl", problems)
    return tmp_path / "asked.jsonl"


def rows(responses=RESPONSES):
    return [dict(zip(("id", "response", "finish_reason", "tokens"), one, strict=True)) for one in responses]


def test_each_filter_leaves_out_what_it_says(asked):
    settings = OwnSolutions(per_problem=2, max_tokens=50, max_similarity=0.7)
    found, counts = own_solutions.choose(rows(), asked, settings, 1)
    assert found.to_dicts() == [
        {"problem": "What is 2+2?", "solution": RESPONSES[0][1]},
        {"problem": "What is 2+2?", "solution": RESPONSES[3][1]},
    ]
    assert counts == {"samples": 8, "cut_off": 1, "too_long": 1, "wrong": 2, "alike": 1, "beyond_per_problem": 1, "kept": 2}
    assert sum(value for key, value in counts.items() if key != "samples") == counts["samples"]


def test_the_order_of_the_samples_changes_nothing(asked):
    settings = OwnSolutions(per_problem=3)
    assert own_solutions.choose(rows(), asked, settings, 1)[0].equals(own_solutions.choose(rows()[::-1], asked, settings, 1)[0])


def test_nothing_left_is_one_line_with_the_counts(asked):
    with pytest.raises(UserError, match=r"data\.own_solutions: no response is left \(samples 1, cut_off 0, too_long 0, wrong 1"):
        own_solutions.choose(rows(RESPONSES[-1:]), asked, OwnSolutions(), 1)


def test_a_supervised_stage_reads_them(asked, tmp_path):
    import polars

    own_solutions.choose(rows(), asked, OwnSolutions(), 1)[0].write_parquet(tmp_path / "own.parquet")
    prompt = [{"role": "user", "content": "Question: What is 2+2?"}]
    polars.DataFrame({"prompt": [prompt], "extra_info": [{"original_problem": "What is 2+2?"}]}).write_parquet(tmp_path / "train.parquet")
    assert sft_messages.write_messages(tmp_path / "train.parquet", tmp_path / "own.parquet", tmp_path / "messages.parquet") == 4


def test_solutions_own_is_a_file_that_the_workflow_makes(root):
    config = experiment.spelled_out(yaml.safe_load((root / "config.yaml").read_text()))
    assert config.stage("rejection-sampling", "main").solutions == OWN_SOLUTIONS
    assert validation.check_stage(config, "rejection-sampling", "main") == []
