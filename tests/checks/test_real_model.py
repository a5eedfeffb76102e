"""What train_real_model.py makes before anything is trained: problems held apart, worked solutions, and a study that validates."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from mathrl.checks import real_model
from mathrl.config.experiment import spelled_out
from mathrl.config.reading import merge, read_yaml
from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, read_jsonl, write_json, write_jsonl

SIZES = real_model.Sizes(steps=8, prompts=8, responses=8, worked=1600, samples=2, max_tokens=128, dtype="float32")


def rows(count, word):
    return [{"problem": f"{word} {n} and {n}?", "answer": str(2 * n), "domain": word} for n in range(count)]


def test_problems_held_apart_are_not_trained_on(tmp_path):
    files = [tmp_path / "sums.jsonl", tmp_path / "apples.jsonl.gz"]
    for path in files:
        write_jsonl(path, rows(30, path.name.split(".")[0]))
    left = real_model.hold_apart(files, tmp_path / "given", 10)
    for name in ("sums", "apples"):
        held = list(read_jsonl(tmp_path / f"given/{name}.jsonl", ("id", "problem", "answer")))
        assert len(held) == 10 and len(left[name]) == 20
        together = sorted((row["problem"], row["answer"]) for row in [*held, *left[name]])
        assert together == sorted((row["problem"], row["answer"]) for row in rows(30, name))
    real_model.write_problems(left, tmp_path / "given/problems.parquet")
    table = pl.read_parquet(tmp_path / "given/problems.parquet")
    assert table.group_by("source").len().sort("source").rows() == [("apples", 20), ("sums", 20)]


@pytest.mark.parametrize(("files", "held", "message"), [(("a.jsonl",), 30, "held apart"), (("a.jsonl", "b/a.jsonl"), 3, "second file")])
def test_what_cannot_be_held_apart(tmp_path, files, held, message):
    for name in files:
        write_jsonl(tmp_path / name, rows(30, "x"))
    with pytest.raises(UserError, match=message):
        real_model.hold_apart([tmp_path / name for name in files], tmp_path / "given", held)


def test_worked_solutions_end_in_a_box(tmp_path):
    natalia = "She sold 48/2 = <<48/2=24>>24 clips in May.\nThat is 48+24 = <<48+24=72>>72 altogether.\n#### 72"
    given = [
        {"problem": "long", "answer": "1", "solution": "word " * 99 + "#### 1"},
        {"problem": "clips", "answer": "72", "solution": natalia},
    ]
    write_jsonl(tmp_path / "gsm8k_train.jsonl", given)
    kept = real_model.write_solutions(tmp_path / "gsm8k_train.jsonl", tmp_path / "solutions.parquet", 1)
    assert kept == [{"problem": "clips", "answer": "72"}]
    text = "She sold 48/2 = 24 clips in May.\nThat is 48+24 = 72 altogether.\nThe answer is \\boxed{72}."
    assert pl.read_parquet(tmp_path / "solutions.parquet").rows() == [("clips", text)]


def test_the_study_is_a_valid_configuration():
    raw = merge(read_yaml(ROOT / "config.yaml"), real_model.study_overlay(["svamp", "asdiv"], "gsm8k_train", SIZES))
    raw["pins"] = "pins.tsv"  # its own lies in the study's folder
    config = spelled_out(json.loads(json.dumps(raw)))
    warm, grpo, control = (config.stage(run, "main") for run in ("warm", "grpo", "control-random"))
    assert (warm.algorithm, warm.steps, warm.train_batch_size) == ("supervised", 100, 16)
    for stage in (grpo, control):
        assert (stage.start_from, stage.steps, stage.rollout_n) == ("warm", 8, 8)
        assert stage.sources == ("svamp", "asdiv")
    assert dict(grpo.reward.terms) != dict(control.reward.terms)


def test_what_is_learned_by_heart_is_no_measure(tmp_path):
    write_jsonl(tmp_path / "sums.jsonl", [row | {"solution": "#### 1"} for row in rows(30, "x")])
    words = ["--gguf", "none.gguf", "--solutions", "sums.jsonl", "--problems", "sums.jsonl", "--folder", "study", "--items", "3"]
    done = subprocess.run([sys.executable, str(ROOT / "scripts/train_real_model.py"), *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "among --problems" in done.stderr
    assert not (tmp_path / "study").exists()


def test_another_study_in_the_same_folder_is_refused(tmp_path):
    write_jsonl(tmp_path / "sums.jsonl", rows(30, "x"))
    write_jsonl(tmp_path / "worked.jsonl", [row | {"solution": "#### 1"} for row in rows(30, "y")])
    write_json(tmp_path / "given/model/config.json", {})  # as if it were unpacked
    (tmp_path / "m.gguf").write_text("weights")

    def give(held):
        real_model.give_study(tmp_path / "given", tmp_path / "m.gguf", [tmp_path / "sums.jsonl"], tmp_path / "worked.jsonl", held, 20)

    give(3)
    before = (tmp_path / "given/sums.jsonl").read_bytes()
    give(3)
    with pytest.raises(UserError, match="another study"):
        give(4)
    (tmp_path / "given/pins.tsv").unlink()  # as after a kill
    (tmp_path / "m.gguf").write_text("others of the same name")
    with pytest.raises(UserError, match="another study"):
        give(3)
    assert (tmp_path / "given/sums.jsonl").read_bytes() == before
    (tmp_path / "m.gguf").unlink()
    with pytest.raises(UserError, match="no such file; get it with"):
        give(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"answer": None}, "row 30: answer is None"), ({"answer": 2.5}, "answer is 2.5"), ({"problem": ""}, "problem is ''")],
)
def test_what_is_no_text_is_no_answer(tmp_path, change, message):
    write_jsonl(tmp_path / "a.jsonl", [*rows(29, "x"), {"problem": "p", "answer": 27.0} | change])
    with pytest.raises(UserError, match=message):
        real_model.hold_apart([tmp_path / "a.jsonl"], tmp_path / "given", 3)


def test_a_whole_number_is_one(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"problem": "p", "answer": 27.0}, {"problem": "q", "answer": 5}])
    assert [row["answer"] for row in real_model.rows_of(tmp_path / "a.jsonl", ("problem", "answer"))] == ["27", "5"]


@pytest.mark.parametrize("name", ["a b.jsonl", ".hidden.jsonl", "mean.jsonl", "smollm2.jsonl.gz", "é.jsonl"])
def test_a_name_that_no_benchmark_has(name):
    with pytest.raises(UserError, match="rename the file"):
        real_model.name_of(Path("data") / name)


def test_fewer_solutions_than_are_asked_for(tmp_path):
    write_jsonl(tmp_path / "w.jsonl", [row | {"solution": "#### 1"} for row in rows(5, "y")])
    with pytest.raises(UserError, match="5 solutions, 16 are asked for; lower --worked"):
        real_model.write_solutions(tmp_path / "w.jsonl", tmp_path / "given/solutions.parquet", 16)
    assert not (tmp_path / "given").exists()


def test_the_workflow_is_not_copied_into_itself(tmp_path):
    for folder in (ROOT, ROOT.parent, ROOT / "scripts/study"):
        with pytest.raises(UserError, match="give another one"):
            real_model.copy_workflow(folder)
    assert not (ROOT / "scripts/study").exists()
