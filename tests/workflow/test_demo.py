"""The whole chain on this machine: raw problems → GRPO with verl and vLLM → score table, and what happens to it afterwards.

One run of `make demo` serves all tests here. It was killed twice on its way (support/kills.py), which is a test of its own.
"""

import json
import os
import re
import subprocess
import sys

import pytest
from mathrl.core.tensorboard import read_scalars
from support.kills import OF_DEMO
from support.same_bytes import processor, results
from support.speed import slowness

from .conftest import ROOT, copy_demo, kill, processor_seconds, wait_for

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(3600)]


def read(workflow, path):
    return json.loads((workflow.directory / path).read_text())


def evaluation(workflow, model, benchmark):
    return read(workflow, f"results/{model}/finalist/eval/{benchmark}.json")["metrics"]


def value(metrics, name):
    return metrics[name]["value"]


BENCHMARKS = ("demo_symbols", "demo_words", "demo_mixed")
SAVE_EVERY = 10


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


def test_the_bytes_are_those_of_the_docs(finished):
    """The table is keyed by the kind of processor; the demo of this test was killed twice."""
    listed = dict(re.findall(r"^\| (\w+ \d+ \d+ [\w ]+?) \| (`.+) \|$", (ROOT / "docs/explanation/demo.md").read_text(), re.M))
    assert listed
    if processor() not in listed:
        pytest.skip(f"docs/explanation/demo.md has no hashes for {processor()}")
    made = results(finished.directory)
    assert listed[processor()] == " | ".join(f"`{made[name][:16]}`" for name in ("grpo/model/model.safetensors", "scores.csv"))


def test_weight_sync_is_real(finished):
    assert read(finished, "results/grpo/main/manifest.json")["max_probability_gap"] <= 1e-4


def test_the_demos_report_draws_reward_terms_and_grader_verdicts(finished):
    page = (finished.directory / "results/report.html").read_text()
    assert "grpo: reward terms in training" in page and "grpo: grader verdicts" in page


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
    slow = slowness()
    began = processor_seconds()
    done = finished.run("make", "demo")
    seconds = processor_seconds() - began
    assert done.returncode == 0 and "Nothing to be done" in done.stdout, done.stdout[-2000:]
    assert seconds <= 5 * max(slow, slowness()), f"{seconds:.1f} s of processor time; docs/explanation/demo.md has the time on the clock"


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


@pytest.fixture
def kills(finished):
    if finished.chain is None:
        pytest.skip("this demo ran undisturbed")
    return finished.chain.kills


@pytest.mark.parametrize("target", OF_DEMO)
def test_a_kill_leaves_nothing_and_costs_no_checkpoint(kills, target):
    """kill -9 of Snakemake in the middle of steps, of Ray while verl starts on it."""
    kill = kills[target]
    assert not kill.recovered, kill.recovered
    due = [step for step in kill.before if step % SAVE_EVERY == 0 or step == kill.before[-1]]  # others were saved by an interruption alone
    assert set(due) <= set(kill.after), "a kill must not cost a finished checkpoint"
    assert kill.code != 0 and not kill.manifest
    if kill.before:
        assert f"goes on from step {kill.before[-1]}" in kill.said, kill.said[-4000:]
    if target != "Snakemake":  # the job says in a line why it failed, where its log is and what is left
        failed = "verl ended with exit code .*; its log is checkpoints/grpo/main/[0-9a-f]+/verl.log; "
        failed += f"checkpoints up to step {kill.after[-1]} are kept"
        assert re.search(failed, kill.said), kill.said[-4000:]


@pytest.mark.parametrize("target", OF_DEMO)
def test_a_kill_leaves_no_file_of_the_job_behind(kills, target):
    """Before anybody clears up: sockets, semaphores, Ray's directory, temporary files."""
    kill = kills[target]
    assert any("mathrl-ray-" in place for place in kill.places) and kill.left == [], kill.places


def test_a_job_whose_snakemake_is_gone_saves_after_the_step_at_work(kills):
    kill = kills["Snakemake"]
    (saved,) = kill.after
    assert kill.reached <= saved < kill.reached + 10
    assert f"ended as asked, saved at step {saved}; the same command goes on from there" in kill.said, kill.said[-4000:]


def test_the_same_command_goes_on_and_ends(finished, kills):
    """Each step is trained and logged once, the data stay the same bytes, and the last call says where it goes on."""
    manifest = read(finished, "results/grpo/main/manifest.json")
    last = kills["Ray"].after[-1]
    assert f"goes on from step {last}" in finished.output, finished.output[-4000:]
    curves = read_scalars(finished.directory / manifest["tensorboard"])
    for tag in ("critic/score/mean", "training/generated_tokens", "timing_s/step", "grader/equal"):
        assert [step for step, _ in curves[tag]] == list(range(1, 61)), f"{tag}: a kill between the save of a step and its line loses none"
    kept = {int(path.stem) for path in (finished.directory / manifest["rollouts"]).glob("*.jsonl")}
    assert kept == set(range(1, 61)), "nor its rollouts"
    assert manifest["steps"] == 60 and manifest["tokens"] > manifest["generated_tokens"] > 0
    assert float(manifest["validation"]["demo_words"]["60"]) > float(manifest["validation"]["demo_words"]["0"])
    for path, content in finished.chain.data.items():
        assert (finished.directory / path).read_bytes() == content, path


def test_another_training_keeps_the_old_checkpoints(finished, make_workflow):
    """A changed learning rate opens a directory of its own and says what differs."""
    workflow = copy_demo(finished, make_workflow("other"), "checkpoints")
    directory = workflow.directory / "checkpoints/grpo/main"
    old = {path.name for path in directory.iterdir()}
    overlay = workflow.directory / "profiles/demo/demo.yaml"
    overlay.write_text(overlay.read_text().replace("learning_rate: 2.0e-4", "learning_rate: 1.0e-4"))
    process = workflow.start()
    wait_for(lambda: len({p.name for p in directory.iterdir()} - old) == 1, 240, "a new checkpoint directory")
    kill(process.pid)
    process.wait(timeout=60)
    workflow.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
    assert old < {path.name for path in directory.iterdir()}
    assert "optim.lr (0.0002 → 0.0001)" in (workflow.directory / "workflow.log").read_text().replace("\n", " ")
    wait_for(lambda: not workflow.processes(), 60, "the end of every process")
