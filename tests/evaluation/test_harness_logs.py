"""Samples out to lm-evaluation-harness and inspect_ai and in again: nothing is lost, and every other verdict is a row of the table."""

import csv
import functools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import UserError, write_jsonl
from mathrl.evaluation import harness_logs
from mathrl.evaluation.harness_differences import differences

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
    assert "the id 'p-9' is not in the benchmark" in told and not (tmp_path / "x.json").exists()


LINE = {"doc": {"id": "a", "problem": "p", "answer": "1"}, "target": "1", "resps": [["x"]], "metrics": ["m"], "m": 1.0}
CHOICE = {"message": {"content": "\\boxed{1}"}, "stop_reason": "stop"}
ROW = {"id": "a", "epoch": 1, "input": "q", "target": "1", "output": {"choices": [CHOICE]}, "scores": {"m": {"value": "C"}}}
DEEP = functools.reduce(lambda inner, _: [{"content": inner}], range(3000), "x")


@pytest.mark.parametrize(
    "log",
    [{}, [], {"samples": []}, {"samples": [5]}, {"samples": [{"id": 1}]}, {"samples": [ROW, ROW]}, {"samples": [ROW, ROW | {"input": "r"}]}]
    + [{"samples": [ROW | {"output": output}]} for output in ("x", {"choices": 5}, {"choices": [5]}, {"choices": [{"message": "x"}]})]
    + [{"samples": [ROW | {"output": {"choices": [CHOICE], "usage": usage}}]} for usage in (5, {"output_tokens": math.inf})]
    + [
        {"samples": [ROW | other]}
        for other in ({"id": None}, {"epoch": "x"}, {"epoch": None}, {"scores": [1]}, {"input": None}, {"input": DEEP})
    ],
)
def test_a_damaged_log_of_inspect_is_refused(log):
    with pytest.raises(UserError, match=r"x\.json: .*(holds no samples|has no id or no output|occurs twice|ids must be unique)") as told:
        harness_logs.from_inspect(log, "x.json", False)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(
    "lines",
    [[{"doc": {}, "target": ""}], [LINE, LINE | {"doc": {"id": "a", "problem": "another"}}]]
    + [[LINE | {"resps": resps}] for resps in ([[]], [5], "x")]
    + [[LINE | {"filtered_resps": left}] for left in (5, {"a": 1})]
    + [[LINE | {"metrics": metrics}] for metrics in (5, "m", [[]])]
    + [[LINE | {"doc": {"id": "a"}, "arguments": given}] for given in ([5], {"gen_args_0": "x"})]
    + [[LINE | {"m": 10**400}]],
)
def test_a_damaged_log_of_lm_eval_is_refused(lines):
    with pytest.raises(UserError, match=r"x\.jsonl: line \d (lacks doc, resps or target|has the id 'a' of another problem)") as told:
        harness_logs.from_lm_eval(lines, "x.jsonl", False)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("value", [math.nan, math.inf, "P", [1], None], ids=str)
def test_a_score_that_is_no_number_is_compared_with_nothing(value):
    assert harness_logs.from_inspect({"samples": [ROW | {"scores": {"m": {"value": value}}}]}, "x", False)[2] == {}
    assert harness_logs.from_lm_eval([LINE | {"m": value}], "x", False)[2] == {"a": []}


def test_two_metrics_are_no_two_samples():
    """The closest metric counts, not the mean of both, which no metric is."""
    line = LINE | {"resps": [["\\boxed{1}", "\\boxed{2}"]], "filtered_resps": [["", ""]], "metrics": ["a", "b"], "a": 0.5, "b": 0.0}
    assert differences(*harness_logs.from_lm_eval([line], "x", False)) == ([], 1)


def test_a_sample_without_a_score_hides_no_difference():
    rows = [ROW | {"epoch": epoch, "scores": {"m": {"value": value}}} for epoch, value in ((1, "C"), (2, "P"))]
    assert differences(*harness_logs.from_inspect({"samples": rows}, "x", False)) == ([], 0)


def test_the_gold_of_a_known_benchmark_is_what_its_layout_says():
    doc = {"question": "How many eggs?", "answer": "9 + 9 = <<9+9=18>>18 eggs.\n#### 18"}
    problems, *_ = harness_logs.from_lm_eval([LINE | {"doc": doc, "doc_id": 0, "target": doc["answer"]}], "x", False)
    assert problems == [{"id": "0", "problem": "How many eggs?", "answer": "18"}]


@pytest.mark.parametrize(
    ("form", "bad"), [("lm-eval", '{"doc": {"id": "\\ud800"}}'), ("inspect", '{"samples": "\\ud800"}'), ("inspect", "\xff")]
)
def test_half_a_character_is_refused(form, bad, tmp_path):
    (tmp_path / "log").write_bytes(bad.encode("latin-1"))
    with pytest.raises(UserError, match="cannot be read"):
        harness_logs.read_log(form, str(tmp_path / "log"), False)


@pytest.mark.parametrize("result", [[], {}, {"per_problem": {"id": ["a"]}}, {"per_problem": {"id": ["a"], "verdicts": []}}], ids=repr)
def test_a_damaged_eval_json_is_refused(result):
    with pytest.raises(UserError, match=r"e\.json: is no eval JSON"):
        harness_logs.verdicts(result, "e.json", False)


def test_a_filter_that_kept_one_of_several_is_not_compared():
    line = {"doc": {"id": "a", "problem": "p", "answer": "1"}, "target": "1", "resps": [["x", "y"]], "filtered_resps": ["x"]}
    *_, scores = harness_logs.from_lm_eval([line | {"metrics": ["exact_match"], "exact_match": 1.0}], "x", False)
    assert scores == {"a": []}


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
