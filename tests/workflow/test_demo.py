"""The whole chain on this machine: raw problems → GRPO with verl and vLLM → score table, and what happens to it afterwards.

One run of `make demo` serves all tests here; the kill tests have copies of it.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from .conftest import Workflow, kill, processor_seconds, wait_for

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(2400)]


def read(workflow, path):
    return json.loads((workflow.directory / path).read_text())


def evaluation(workflow, model, benchmark):
    return read(workflow, f"results/{model}/finalist/eval/{benchmark}.json")["metrics"]


def value(metrics, name):
    return metrics[name]["value"]


BENCHMARKS = ("demo_symbols", "demo_words", "demo_mixed")


def test_every_artefact_is_there(finished):
    wanted = [
        "resources/datasets/demo.parquet",
        "results/data/problems.parquet",
        "results/data/matches.parquet",
        "results/data/contamination.json",
        "results/data/contamination.csv",
        "results/grpo/main/train.parquet",
        "results/grpo/main/val.parquet",
        "results/grpo/main/manifest.json",
        "results/grpo/model/config.json",
        "results/scores.csv",
        "results/scores.md",
        "results/scores.html",
        "results/report.html",
        *[f"results/figures/{name}.svg" for name in ("validation", "reward", "entropy", "response_length")],
        *[f"results/{m}/finalist/samples/{b}.jsonl.zst" for m in ("base", "grpo") for b in BENCHMARKS],
        *[f"results/{m}/finalist/eval/{b}.json" for m in ("base", "grpo") for b in BENCHMARKS],
    ]
    assert [path for path in wanted if not (finished.directory / path).is_file()] == []


def test_the_last_thing_printed_is_the_score_table_and_where_to_look(finished):
    tail = finished.output[-4000:]
    assert "grpo" in tail and "base" in tail and "results/report.html" in tail


def test_training_gains_at_least_twenty_points(finished):
    """Greedy and sampled, by our grade rule; with lenient extraction too, so that part of the gain is arithmetic."""
    for name in ("pass@1", "greedy", "pass@1_lenient", "greedy_lenient"):
        base, run = ([value(evaluation(finished, model, b), name) for b in BENCHMARKS] for model in ("base", "grpo"))
        gain = sum(run) / 3 - sum(base) / 3
        assert gain >= (0.20 if "lenient" not in name else 0.05), f"{name}: {base} → {run}"


def test_the_base_boxes_some_answers_and_solves_some_problems(finished):
    metrics = [evaluation(finished, "base", b) for b in BENCHMARKS]
    assert 0 < sum(value(m, "boxed_rate") for m in metrics) / 3 < 0.9
    assert 0 < sum(value(m, "pass@1_lenient") for m in metrics) / 3 < 0.8


def test_the_export_scores_what_verls_last_validation_said(finished):
    manifest = read(finished, "results/grpo/main/manifest.json")
    said = manifest["validation"]["demo_words"][str(manifest["chosen_step"])]
    # 0.01 is one problem of a hundred: near-ties in float32 fall either way as batches differ. The rest is binary rounding.
    assert abs(value(evaluation(finished, "grpo", "demo_words"), "greedy") - said) <= 0.01 + 1e-9


def test_weight_sync_is_real(finished):
    assert read(finished, "results/grpo/main/manifest.json")["max_probability_gap"] <= 1e-4


def test_planted_leaks_are_all_found_and_removed(finished):
    import polars as pl

    leaks = read(finished, "resources/demo/leaks.json")["leaks"]
    assert len(leaks) == 36
    train = pl.read_parquet(finished.directory / "results/grpo/main/train.parquet")
    texts = set(train["extra_info"].struct.field("original_problem"))
    assert [leak for leak in leaks if leak["prompt"] in texts] == []


def test_verls_columns_are_the_reports(finished):
    import polars as pl

    schema = pl.read_parquet_schema(finished.directory / "results/grpo/main/train.parquet")
    assert list(schema) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert {field.name for field in schema["extra_info"].fields} >= {"index", "original_problem", "domain", "llama8b_solve_rate"}


def test_results_carry_their_provenance(finished):
    for path in ("results/grpo/main/manifest.json", "results/grpo/model/export.json", "results/base/finalist/eval/demo_words.json"):
        block = read(finished, path)["provenance"]
        assert block["image"] == "no container" and block["inputs"], path


def test_no_process_outlives_the_demo(finished):
    assert finished.processes() == {}


def test_a_second_demo_does_nothing_and_says_so(finished):
    began = processor_seconds()
    done = finished.run("make", "demo")
    seconds = processor_seconds() - began
    assert done.returncode == 0 and "Nothing to be done" in done.stdout, done.stdout[-2000:]
    assert seconds <= 5, f"{seconds:.1f} s of processor time; docs/demo.md has the time on the clock"


def test_touching_every_file_reruns_nothing(finished):
    for place in ("Snakefile", "config.yaml", "pins.tsv", "rules", "scripts", "profiles", "envs"):
        path = finished.directory / place
        for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file() and not p.is_symlink()]:
            os.utime(file)
    assert finished.planned() == {}
    done = finished.run("make", "demo", timeout=60)  # nor are the environments made anew
    assert done.returncode == 0 and "making" not in done.stdout and "Nothing to be done" in done.stdout, done.stdout[-2000:]


def test_an_evaluation_parameter_reruns_evaluation_only(finished):
    jobs = finished.planned("--config", "evaluation={protocols: {finalist: {temperature: 0.5}}}")
    assert {"generate_samples", "merge_samples", "grade_samples", "tabulate_scores", "render_report"} <= set(jobs)
    assert not {"train_policy", "format_training_data", "export_model", "make_demo_model"} & set(jobs)


def test_another_judge_grades_again_without_sampling(finished):
    jobs = finished.planned("--config", "evaluation={protocols: {finalist: {extraction: lenient}}}")
    assert "grade_samples" in jobs and not {"generate_samples", "train_policy"} & set(jobs)


def test_a_training_parameter_trains_again(finished):
    jobs = finished.planned("--config", "training={learning_rate: 0.0001}")
    assert {"train_policy", "export_model", "generate_samples"} <= set(jobs)
    assert not {"format_training_data", "decontaminate_problems", "make_demo_model"} & set(jobs)


def test_the_model_loads_in_transformers(finished):
    code = (
        "import sys; from transformers import AutoModelForCausalLM as M, AutoTokenizer as T\n"
        "m, t = M.from_pretrained(sys.argv[1]), T.from_pretrained(sys.argv[1])\n"
        "assert len(t) == m.config.vocab_size and t.chat_template"
    )
    done = subprocess.run([sys.executable, "-c", code, finished.directory / "results/grpo/model"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_snakemakes_own_report(finished):
    done = finished.snakemake("--report", "snakemake-report.html")
    page = finished.directory / "snakemake-report.html"
    assert done.returncode == 0 and page.stat().st_size > 100_000, done.stdout[-2000:]


def test_damaged_inputs_are_named(finished, tmp_path):
    """A dataset without a column, an empty one, a model that is none: the one line of the rule that reads it."""
    import polars as pl

    source = finished.directory / "resources/datasets/demo.parquet"
    scripts = finished.directory / "scripts"
    rows = pl.read_parquet(source)
    for name, frame, words in (("column", rows.drop("solution"), ("solution", "prompt")), ("empty", rows.clear(), ("no rows", "empty"))):
        frame.write_parquet(tmp_path / f"{name}.parquet")
        done = subprocess.run(
            [
                *(sys.executable, scripts / "clean_problems.py", "--dataset", tmp_path / f"{name}.parquet"),
                *("--out", tmp_path / "o.parquet", "--quarantine", tmp_path / "q.parquet", "--funnel", tmp_path / "f.json"),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert any(word in done.stderr for word in words), done.stderr
        assert not (tmp_path / "o.parquet").exists()


@pytest.fixture(scope="module")
def killed(finished, make_workflow):
    """A copy of the finished demo whose training is to be done again, shorter, and killed at several moments."""
    workflow = make_workflow("killed")
    for place in ("resources", "results", "logs", ".snakemake"):
        shutil.copytree(finished.directory / place, workflow.directory / place, symlinks=True)
    shutil.rmtree(workflow.directory / ".snakemake/locks", ignore_errors=True)
    overlay = workflow.directory / "profiles/demo/demo.yaml"
    overlay.write_text(overlay.read_text().replace("steps: 60", "steps: 16").replace("save_every: 10", "save_every: 4"))
    return workflow


def steps_saved(workflow: Workflow) -> list[int]:
    found = (workflow.directory / "checkpoints/grpo/main").glob("*/global_step_*/whole.json")
    return sorted(int(path.parent.name.removeprefix("global_step_")) for path in found)


def wait_for_checkpoint(workflow: Workflow, process: subprocess.Popen, seen: int) -> None:
    """Wait until training has saved one more checkpoint; fail if the workflow ends before."""
    wait_for(lambda: len(steps_saved(workflow)) > seen or process.poll() is not None, 400, "a checkpoint")
    assert process.poll() is None, (workflow.directory / "workflow.log").read_text()[-4000:]


def test_kill_anything_and_type_the_same_command(killed, finished):
    """kill -9 of Snakemake, of the trainer, of Ray: the same command goes on from the last checkpoint, data files stay the same."""
    for target in ("snakemake", "main_ppo", "gcs_server|raylet"):
        before = steps_saved(killed)
        process = killed.start()
        wait_for_checkpoint(killed, process, len(before))
        if target == "snakemake":
            kill(process.pid)
        else:
            victims = [pid for pid, command in killed.processes().items() if re.search(target, command)]
            assert victims, f"no process matches {target}: {killed.processes()}"
            for pid in victims:
                kill(pid)
        process.wait(timeout=120)
        recovered = killed.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
        assert recovered.returncode == 0, recovered.stdout
        wait_for(lambda: not killed.processes(), 60, "the end of every process")
        assert steps_saved(killed)[: len(before)] == before, "a kill must not cost a finished checkpoint"
    saved = steps_saved(killed)
    done = killed.run("make", "demo")
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"goes on from step {saved[-1]}" in done.stdout, done.stdout[-4000:]
    assert read(killed, "results/grpo/main/manifest.json")["steps"] == 16
    assert killed.processes() == {}
    for path in ("results/data/problems.parquet", "results/data/matches.parquet", "results/grpo/main/train.parquet"):
        assert (killed.directory / path).read_bytes() == (finished.directory / path).read_bytes(), path
    curve = read(killed, "results/grpo/main/manifest.json")["validation"]["demo_words"]
    assert float(curve["16"]) > float(curve["0"])


def test_another_training_keeps_the_old_checkpoints(killed):
    """Stands after the kill test: a changed learning rate opens a directory of its own and says what differs."""
    old = {path.name for path in (killed.directory / "checkpoints/grpo/main").iterdir()}
    overlay = killed.directory / "profiles/demo/demo.yaml"
    overlay.write_text(overlay.read_text().replace("learning_rate: 2.0e-4", "learning_rate: 1.0e-4"))
    process = killed.start()
    directory = killed.directory / "checkpoints/grpo/main"
    wait_for(lambda: len({p.name for p in directory.iterdir()} - old) == 1, 120, "a new checkpoint directory")
    kill(process.pid)
    process.wait(timeout=60)
    killed.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
    assert old < {path.name for path in directory.iterdir()}
    assert "optim.lr (0.0002 → 0.0001)" in (killed.directory / "workflow.log").read_text().replace("\n", " ")
    wait_for(lambda: not killed.processes(), 60, "the end of every process")
