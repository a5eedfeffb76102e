"""The reward function as verl calls it: loaded by path, in a thread, with weighted terms."""

import importlib.util
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mathrl.config.reward_terms import curve_name
from mathrl.grading import GRADING_POLICY, STATUSES
from mathrl.rewards.outcome import check_terms, load_term
from mathrl.rewards.outcome import reward as reward_of
from mathrl.verl import reward_metrics

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def compute_score():
    spec = importlib.util.spec_from_file_location("custom_module_by_verl", SCRIPTS / "reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute_score


@pytest.mark.parametrize(
    ("response", "gold", "score", "acc", "form", "status"),
    [
        (r"\boxed{42}", "42", 1.0, 1.0, 1.0, "equal"),
        (r"\boxed{41}", "42", 0.1, 0.0, 1.0, "different"),
        ("42", "42", 0.0, 0.0, 0.0, "no_box"),
        (r"\boxed{@}", "42", 0.1, 0.0, 1.0, "unparsed_answer"),
        (r"\boxed{42}", "proof", 0.1, 0.0, 1.0, "unparsed_gold"),
        (r"\boxed{42}", 42, 1.0, 1.0, 1.0, "equal"),
    ],
)
def test_contract(compute_score, response, gold, score, acc, form, status):
    found = compute_score("gsm8k", response, gold, extra_info={"index": 0})
    assert found["score"] == pytest.approx(score)
    assert (found["acc"], found["format"], found["status"]) == (acc, form, status)
    assert isinstance(found["pred"], str)
    counts = {name: found[f"status_{name}"] for name in STATUSES}
    assert counts == {name: float(name == status) for name in STATUSES}
    assert all(isinstance(value, float | str) for value in found.values())
    assert found["term_format"] == form and found["term_correct"] == acc
    assert found["status_without_problem"] == 1.0


@pytest.mark.parametrize(
    ("extra_info", "status", "reason"),
    [
        ({"original_problem": "Factor $ab+5b+2a+10$."}, "copied", "the problem of our own rows"),
        ({"prompt": [{"role": "user", "content": "Factor $ab+5b+2a+10$."}]}, "copied", "the last user message"),
        ({"original_problem": "", "prompt": "Factor $ab+5b+2a+10$."}, "copied", "a prompt that is a text"),
        ({"prompt": [{"role": "system", "content": "Factor $ab+5b+2a+10$."}]}, "equal", "no user message"),
        ({"index": 0}, "equal", "nothing is known"),
        (None, "equal", "nothing is known"),
    ],
)
def test_the_problem_comes_with_the_row(compute_score, extra_info, status, reason):
    found = compute_score("x", r"\boxed{ab+5b+2a+10}", "(a+5)(b+2)", extra_info)
    assert found["status"] == status, reason
    assert found["status_without_problem"] == float(status == "equal")


def test_a_box_and_a_box_with_an_answer_are_two_terms(compute_score):
    terms = {"format": 0.1, "answer_format": 0.2}
    scores = [compute_score("x", text, "7", terms=terms)["score"] for text in (r"\boxed{8}", r"\boxed{}", r"\boxed{I do not know}", "8")]
    assert scores == [pytest.approx(0.3), pytest.approx(0.1), pytest.approx(0.1), 0.0]


def test_works_in_threads(compute_score):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: compute_score("x", rf"\boxed{{{n}}}", str(n - n % 2))["score"], range(400)))
    assert found == [pytest.approx(0.1 if n % 2 else 1.0) for n in range(400)]


def test_keyword_arguments_as_verl_passes_them(compute_score):
    found = compute_score(
        data_source="x",
        solution_str=r"\boxed{1}",
        ground_truth="1",
        extra_info=None,
        reward_router_address=None,
        reward_model_tokenizer=None,
    )
    assert found["score"] == pytest.approx(1.0)


def test_a_users_term_joins_with_its_own_curve(compute_score, tmp_path, monkeypatch):
    (tmp_path / "house_terms.py").write_text(
        "def short(grade, data_source, response, answer, extra_info):\n    return 1.0 if len(response) < 20 else 0.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    terms = {"format": 0.1, "correct": 0.8, "house_terms:short": 0.1}
    for given in (terms, json.dumps(terms)):
        assert compute_score("x", r"\boxed{1}", "1", terms=given)["score"] == pytest.approx(1.0)
        long = compute_score("x", "word " * 9 + r"\boxed{1}", "1", terms=given)
        assert (long["score"], long["term_short"]) == (pytest.approx(0.9), 0.0)
    monkeypatch.setenv("MATHRL_REWARD_TERMS", json.dumps(terms))
    assert compute_score("x", r"\boxed{1}", "2")["score"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "no terms"),
        ({"correct": "0.9"}, "not a finite number"),
        ({"correct": float("nan")}, "not a finite number"),
        ({"corect": 1.0}, "neither correct, format, answer_format nor 'module:function'"),
        ({"json:nothing": 1.0}, "cannot be loaded"),
        ({"no_such_module:term": 1.0}, "cannot be loaded"),
        ({"json:__name__": 1.0}, "is no function"),
        ({"correct": 0.5, "house:correct": 0.5}, "one curve"),
    ],
)
def test_bad_terms_are_refused(terms, message, tmp_path, monkeypatch):
    (tmp_path / "house.py").write_text("def correct(*_):\n    return 0.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=message):
        check_terms(terms)


def test_names():
    assert curve_name("a.b:c") == "c" and curve_name("format") == "format"
    assert load_term("correct") is load_term("correct")
    assert GRADING_POLICY


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPTS / "reward.py"), *arguments], capture_output=True, text=True, timeout=60)


def test_command_line():
    done = run("--response", r"\boxed{\frac12}", "--answer", "0.5")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "equal"
    for bad in ('{"x": 1}', "{", "[]"):
        done = run("--response", "x", "--answer", "1", "--terms", bad)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and "--terms" in done.stderr


def test_boxes_are_counted_whatever_is_rewarded(compute_score):
    answers = (r"\boxed{42}", r"\boxed{41}", "42", r"\boxed{42}")
    rows = [compute_score("x", text, "42", terms=json.dumps({"correct": 1.0})) for text in answers]
    summary = reward_metrics.summarize(rows)
    assert summary["training/boxed"] == 0.75 and summary["reward_terms/correct"] == 0.5
    assert "reward_terms/format" not in summary and summary["grader/no_box"] == 1


def test_a_benchmark_of_rounded_golds_is_graded_in_validation_as_in_evaluation():
    assert reward_of("minerva_math", r"\boxed{1.618}", "1.62")["acc"] == 1.0
    assert reward_of("train", r"\boxed{1.618}", "1.62")["acc"] == 0.0
