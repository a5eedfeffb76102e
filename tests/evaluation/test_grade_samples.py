"""scripts/grade_samples.py: what it writes, what it refuses."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from mathrl.core.files import write_jsonl
from support import real_data
from support.report_world import processor_seconds

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "rules/schemas/eval.schema.json").read_text())

PROBLEMS = [
    {"id": "a", "problem": "What is 3 + 4?", "answer": "7", "domain": ["Algebra"], "difficulty": 1},
    {"id": "b", "problem": "Half of one?", "answer": "\\frac{1}{2}", "domain": ["Algebra", "Counting"], "difficulty": 2},
    {"id": "c", "problem": "Name the parity of two.", "answer": "even"},
]


def sample(identity, number, response, reason="stop", tokens=12):
    return {"id": identity, "sample": number, "response": response, "finish_reason": reason, "tokens": tokens}


SAMPLES = [
    sample("a", -1, "3 + 4 = 7, so \\boxed{7}"),
    sample("a", 0, "\\boxed{7}"),
    sample("a", 1, "The answer is 7"),
    sample("b", -1, "\\boxed{2}"),
    sample("b", 0, "\\boxed{0.5}"),
    sample("b", 1, "1 + 1 = 3 \\boxed{3}"),
    sample("c", -1, "no idea", "length", 512),
    sample("c", 0, "\\boxed{odd}"),
    sample("c", 1, "", "length", 512),
]


@pytest.fixture
def files(tmp_path):
    write_jsonl(tmp_path / "toy.jsonl", PROBLEMS)
    write_jsonl(tmp_path / "samples.jsonl.zst", SAMPLES)
    return tmp_path


def grade(folder, *more, samples="samples.jsonl.zst", check=True):
    command = [sys.executable, ROOT / "scripts/grade_samples.py", "--samples", folder / samples, "--benchmark", folder / "toy.jsonl"]
    done = subprocess.run([*command, "--out", folder / "eval.json", *more], capture_output=True, text=True)
    if not check:
        return done
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "eval.json").read_text())


def test_numbers_by_hand(files):
    found = grade(files, "--model", "base", "--protocol", "finalist")
    jsonschema.validate(found, SCHEMA)
    value = {name: metric["value"] for name, metric in found["metrics"].items()}
    assert (found["benchmark"], found["n_problems"], found["n_benchmark"], found["n_samples"]) == ("toy", 3, 3, 2)
    assert value["pass@1"] == value["avg@2"] == value["pass@1_strict"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert value["pass@1_lenient"] == pytest.approx((1 + 1 / 2 + 0) / 3), "the number without a box is right"
    assert value["pass@2"] == pytest.approx(2 / 3)
    assert value["greedy"] == pytest.approx(1 / 3)
    assert value["maj@2"] == pytest.approx((1 + 0.5 + 0) / 3), "one voter; a tie; a wrong voter"
    assert value["boxed_rate"] == pytest.approx(4 / 6)
    assert value["truncated_rate"] == pytest.approx(1 / 6)
    assert value["accuracy_if_boxed"] == pytest.approx(2 / 4)
    assert value["equality_coverage"] == pytest.approx(1 / 6), "of the sampled ones only 1 + 1 = 3 can be checked"
    assert value["equality_accuracy"] is None, "below the least coverage nothing is given"
    assert (found["counts"]["equalities"], found["counts"]["false_equalities"]) == (1, 1)
    assert found["first_wrong_equality"] == {"id": "b", "sample": 1, "equality": "1 + 1 = 3"}
    assert found["statuses"] | {"equal": 2, "different": 2, "no_box": 2} == found["statuses"]
    assert found["counts"]["truncated"] == 1 and found["counts"]["samples"] == 6
    assert found["per_problem"]["verdicts"] == ["1b", "10", "0b"]
    assert {c["cell"]: c["n"] for c in found["breakdowns"]["domain"]} == {"Algebra": 2, "Counting": 1}
    assert not found["clean_subset"]["available"]


def test_each_response_is_read_for_equalities_once(files, monkeypatch):
    from mathrl.core.files import read_jsonl
    from mathrl.evaluation import grading

    read = []
    original = grading.check_equalities
    monkeypatch.setattr(grading, "check_equalities", lambda response: read.append(response) or original(response))
    problems = {row["id"]: row for row in PROBLEMS}
    samples = grading.read_samples(read_jsonl(files / "samples.jsonl.zst"), problems, "samples")
    found = grading.evaluate(samples, problems, grader="ours", extraction="strict", workers=1)
    assert sorted(read) == sorted({row["response"] for row in SAMPLES})
    assert found["first_wrong_equality"]["equality"] == "1 + 1 = 3"


def test_lenient_protocol_keeps_the_strict_score_beside_it(files):
    strict, lenient = grade(files)["metrics"], grade(files, "--extraction", "lenient")["metrics"]
    assert lenient["pass@1"] == strict["pass@1_lenient"]
    assert lenient["pass@1_strict"] == strict["pass@1"]
    assert lenient["greedy_strict"] == strict["greedy"]


def test_order_of_the_file_and_packing_do_not_show(files):
    first = grade(files)
    with gzip.open(files / "other.jsonl.gz", "wt") as handle:
        handle.writelines(json.dumps(row) + "\n" for row in reversed(SAMPLES))
    second = grade(files, "--workers", "2", samples="other.jsonl.gz")
    for result in (first, second):
        result["provenance"].pop("inputs")
    assert first == second


def test_clean_and_touched_items(files):
    import polars as pl

    rows = [("a", "exact", True), ("a", "ngram", True), ("b", "semantic", False), ("zz", "exact", True)]
    table = [
        {"problem_id": "p", "benchmark": "toy", "item_id": i, "method": m, "score": 1.0, "evidence": "", "removed": r} for i, m, r in rows
    ]
    pl.DataFrame([*table, table[0] | {"benchmark": "other", "item_id": "c"}]).write_parquet(files / "matches.parquet")
    found = grade(files, "--matches", files / "matches.parquet")
    jsonschema.validate(found, SCHEMA)
    clean = found["clean_subset"]
    assert clean["removing"] == ["exact", "ngram"]
    assert (clean["contaminated"]["n"], clean["contaminated"]["value"]) == (1, 0.5)
    assert (clean["clean"]["n"], clean["clean"]["value"]) == (1, 0.0) and clean["flagged"]["n"] == 1, "b is flagged, and neither"
    assert clean["by_method"]["semantic"]["n"] == 1
    assert found["per_problem"]["contaminated"] == ["exact ngram", "semantic", ""]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([sample("a", 0, "x"), sample("a", 0, "y")], "sample 0 of id 'a' occurs twice"),
        ([sample("d", 0, "x")], "the id 'd' is not in the benchmark"),
        ([], "holds no samples"),
        ([{"id": "a", "sample": 0}], "lacks the key 'response'"),
        ([sample("a", "0", "x")], "must be a whole number"),
    ],
)
def test_bad_samples_are_one_clear_line(files, rows, message):
    write_jsonl(files / "bad.jsonl", rows)
    done = grade(files, samples="bad.jsonl", check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and message in done.stderr and "bad.jsonl" in done.stderr
    assert not (files / "eval.json").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "0"], "--workers 0"),
        (["--matches", "nowhere.parquet"], "nowhere.parquet"),
    ],
)
def test_bad_flags(files, more, message):
    done = grade(files, *more, check=False)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_cut_off_file(files):
    whole = (files / "samples.jsonl.zst").read_bytes()
    (files / "cut.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    done = grade(files, samples="cut.jsonl.zst", check=False)
    assert done.returncode == 2 and "cut.jsonl.zst" in done.stderr and not (files / "eval.json").exists()


@pytest.mark.full
def test_45_000_samples_within_a_minute(tmp_path):
    """Six benchmarks, 2,836 problems × 16 samples from shared generations: 60 s on two cores, and of processor time; 2 GiB."""
    import resource

    shared = real_data.path("generations").parent
    responses = []
    for name in ("contest_model_qwen_eval", "qwen_math_cot_100", "abel_gsm8k"):
        with gzip.open(shared / f"generations/{name}.jsonl.gz", "rt") as handle:
            responses += [json.loads(line)["response"] for line in handle]
    total, place = 0, 0
    for path in sorted((shared / "benchmarks").glob("*.jsonl")):
        problems = [json.loads(line) for line in path.open()]
        write_jsonl(tmp_path / path.name, ({"id": str(p["id"]), "problem": p["problem"], "answer": p["answer"]} for p in problems))
        rows = []
        for problem in problems:
            for number in range(16):
                text = responses[place * 7919 % len(responses)] + f"\nSo we get {place}."
                rows.append(sample(str(problem["id"]), number, text, tokens=len(text) // 3))
                place += 1
        total += len(rows)
        write_jsonl(tmp_path / f"{path.stem}.samples.jsonl.zst", rows)
    start, before = time.perf_counter(), processor_seconds()
    for path in sorted((shared / "benchmarks").glob("*.jsonl")):
        command = [sys.executable, ROOT / "scripts/grade_samples.py", "--workers", "2", "--benchmark", tmp_path / path.name]
        samples = tmp_path / f"{path.stem}.samples.jsonl.zst"
        subprocess.run([*command, "--samples", samples, "--out", tmp_path / "eval.json"], check=True)
    seconds, spent = time.perf_counter() - start, processor_seconds() - before
    mebibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{total} samples in {seconds:.1f} s ({spent:.1f} s of processor time), {mebibytes:.0f} MiB")
    assert total == 45_376 and seconds <= 60 and spent <= 60 and mebibytes <= 2048


@pytest.mark.parametrize(("name", "right"), [("gsm8k", 1.0), ("minerva_math", 0.0)])
def test_the_contests_judge_is_told_which_benchmark_it_grades(tmp_path, name, right):
    """It drops units everywhere but in minerva_math."""
    write_jsonl(tmp_path / "toy.jsonl", [{"id": "a", "problem": "How long?", "answer": "1.6"}])
    write_jsonl(tmp_path / "samples.jsonl.zst", [sample("a", 0, r"\boxed{1.6 m}"), sample("a", -1, r"\boxed{1.6 m}")])
    found = grade(tmp_path, "--name", name, "--grader", "contest", "--extraction", "lenient")
    assert {found["metrics"][metric]["value"] for metric in ("pass@1", "greedy", "pass@1_strict", "pass@1_lenient")} == {right}
