"""Samples out to lm-evaluation-harness and inspect_ai and in again: nothing is lost, and every other verdict is a row of the table."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import UserError, write_jsonl
from mathrl.evaluation import harness_logs

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><script>1</script> \x1b[31m \u202e =1+1 {{7*7}} {% raw %} \\boxed{"
PROBLEMS = [{"id": f"p-{i}", "problem": f"What is {i} + 1? {HOSTILE}", "answer": str(i + 1)} for i in range(4)]
PROBLEMS.append({"id": "p-half", "problem": "What is 1 / 2?", "answer": "1/2"})


def response(i, right):
    return f"so \\boxed{{{i + 1 if right else 0}}}"


SAMPLES = [
    {
        "id": f"p-{i}",
        "sample": n,
        "response": f"{HOSTILE} }} {response(i, n != 1)}",
        "finish_reason": "length" if n else "stop",
        "tokens": 9 + n,
    }
    for i in range(4)
    for n in (-1, 0, 1, 2)
]
SAMPLES += [{"id": "p-half", "sample": n, "response": "so \\boxed{0.5}", "finish_reason": "stop", "tokens": 3} for n in (-1, 0, 1, 2)]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("harness")
    write_jsonl(folder / "benchmark.jsonl", PROBLEMS)
    write_jsonl(folder / "samples.jsonl", SAMPLES)
    program(
        folder, "grade_samples.py", "--samples", "samples.jsonl", "--benchmark", "benchmark.jsonl", "--model", "m", "--out", "eval.json"
    )
    return folder


def program(folder, name, *arguments, code=0):
    command = [sys.executable, ROOT / "scripts" / name, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def export(folder, form, *more):
    flags = ["--samples", "samples.jsonl", "--benchmark", "benchmark.jsonl", "--eval", "eval.json"]
    out = f"log.{form}.{'jsonl' if form == 'lm-eval' else 'json'}"
    program(folder, "export_samples.py", "--format", form, *flags, *more, "--out", out)
    return out


def back(folder, form, log, *more):
    told = program(folder, "import_samples.py", "--format", form, "--log", log, "--out", f"back-{form}", *more)
    rows = [json.loads(line) for line in (folder / f"back-{form}/samples.jsonl").read_text().splitlines()]
    return told, rows, list(csv.DictReader((folder / f"back-{form}/differences.csv").open()))


@pytest.mark.parametrize("form", harness_logs.FORMATS)
@pytest.mark.parametrize("greedy", [False, True], ids=["sampled", "greedy"])
def test_out_and_in_again(graded, form, greedy):
    more = ["--greedy"] if greedy else []
    told, rows, differences = back(graded, form, export(graded, form, *more), *more)
    wanted = [row for row in SAMPLES if (row["sample"] < 0) == greedy]
    assert [(r["id"], r["sample"], r["response"]) for r in rows] == [(r["id"], r["sample"], r["response"]) for r in wanted]
    assert differences == [] and "scores differ on 0 of 5 problems" in told
    if form == "inspect":
        assert [(r["tokens"], r["finish_reason"]) for r in rows] == [(r["tokens"], r["finish_reason"]) for r in wanted]


def test_samples_of_another_evaluation_are_refused(graded, tmp_path):
    write_jsonl(tmp_path / "other.jsonl", [{"id": "p-9", "sample": 0, "response": "x"}])
    flags = ["--samples", tmp_path / "other.jsonl", "--benchmark", "benchmark.jsonl", "--eval", "eval.json", "--out", tmp_path / "x.json"]
    told = program(graded, "export_samples.py", "--format", "inspect", *flags, code=2)
    assert "the item 'p-9' does not fit" in told and not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("log", [{}, {"samples": []}, {"samples": [{"id": 1}]}])
def test_a_log_without_samples_or_outputs_is_refused(log):
    with pytest.raises(UserError, match=r"x\.json: .*(holds no samples|has no id or no output)"):
        harness_logs.from_inspect(log, "x.json", False)


def test_a_line_without_responses_is_refused():
    with pytest.raises(UserError, match=r"x\.jsonl: line 1 lacks doc, resps or target"):
        harness_logs.from_lm_eval([{"doc": {}, "target": ""}], "x.jsonl", False)


def test_a_filter_that_kept_one_of_several_is_not_compared():
    line = {"doc": {"id": "a", "problem": "p", "answer": "1"}, "target": "1", "resps": [["x", "y"]], "filtered_resps": ["x"]}
    *_, scores = harness_logs.from_lm_eval([line | {"metrics": ["exact_match"], "exact_match": 1.0}], "x", False)
    assert scores == {}


@pytest.fixture(scope="module")
def harness():
    """Run in the environment of the other harnesses (make harness)."""
    python = Path(os.environ.get("MATHRL_HARNESS") or ROOT / ".venv-harness") / "bin/python"
    if not python.is_file():
        pytest.skip("no .venv-harness: make harness")

    def run(*arguments):
        settings = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONPATH": ""}
        command = [python, ROOT / "tests/support/harness_runs.py", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=settings)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def given(graded, tmp_path):
    """Benchmark and sampled responses as tests/support/harness_runs.py reads them."""
    write_jsonl(tmp_path / "benchmark.jsonl", PROBLEMS)
    texts = {key: [row["response"] for row in rows] for key, rows in harness_logs.grouped(SAMPLES, False).items()}
    (tmp_path / "responses.json").write_text(json.dumps(texts))
    return tmp_path


@pytest.mark.full
def test_inspect_reads_our_log_and_scores_it(graded, given, harness):
    """Its math scorer agrees, but for what is named here: our judge wants a box, and takes 0.5 for 1/2 as it does."""
    found = harness("read-inspect", given, graded / export(graded, "inspect"))
    assert found["status"] == "success" and len(found["samples"]) == 15
    for row in SAMPLES:
        if row["sample"] >= 0:
            ours, theirs, text = found["samples"][f"{row['id']} {row['sample'] + 1}"]
            assert text == row["response"]
            assert ours == theirs, row


@pytest.mark.full
def test_a_log_that_inspect_wrote_comes_in(given, harness):
    ran = harness("inspect", given)
    assert ran["status"] == "success"
    told, rows, differences = back(given, "inspect", ran["file"].removeprefix("file://"))
    assert [r["response"] for r in rows] == [r["response"] for r in SAMPLES if r["sample"] >= 0]
    assert differences == [] and "of 5 problems" in told


@pytest.mark.full
def test_a_log_that_lm_eval_wrote_comes_in_and_its_string_match_is_a_row_of_the_table(given, harness):
    ran = harness("lm-eval", given)
    (log,) = given.glob("lm-eval/**/samples_given_*.jsonl")
    _, rows, differences = back(given, "lm-eval", log)
    assert [r["response"] for r in rows] == [r["response"] for r in SAMPLES if r["sample"] == 0]
    assert [(d["id"], float(d["theirs"]), float(d["ours"])) for d in differences] == [("p-half", 0.0, 1.0)], "0.5 is no string 1/2"
    assert ran["exact_match"] == pytest.approx(0.8)
