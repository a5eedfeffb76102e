"""What Snakemake would do, without doing it: the full experiment, the profiles, and bad input before any job."""

import json
import re

import pytest
from support.speed import slowness

from .conftest import job_counts, processor_seconds


@pytest.fixture(scope="module")
def fresh(make_workflow):
    return make_workflow("fresh")


def test_the_reports_experiment(fresh):
    slow = slowness()
    began = processor_seconds()
    done = fresh.run("snakemake", "-n", "--cores", "all", "--resources", "gpu=6", "-p")
    seconds = processor_seconds() - began
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["train_policy"] == 1
    assert jobs["generate_samples"] == 2 * 6, "two models × six GPUs: an engine starts once a model and GPU, not once a benchmark"
    assert jobs["grade_samples"] == 2 * 2 * 6, "two models × two protocols × six benchmarks"
    assert "1584 to 1728" in done.stdout, "that verl pads 264/72 is said where a user sees it"
    assert seconds < 5 * max(slow, slowness()), f"{seconds:.1f} s of processor time; docs/explanation/demo.md has the time on the clock"


def test_gpus_are_asked_for(fresh):
    targets = ("results/grpo/main/manifest.json", "results/base/generation/0.json")
    done = fresh.run("snakemake", "-n", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6", "--", *targets)
    assert done.returncode == 0, done.stdout
    wanted = dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: .*?gpu=(\d+)", done.stdout, re.M))
    assert wanted == {"train_policy": "6", "generate_samples": "1", "decontaminate_problems": "1"}, done.stdout[-3000:]


@pytest.mark.parametrize(("gpus", "megabytes"), [(1, 96000), (6, 240000)])
def test_a_training_asks_for_the_memory_of_its_gpus(fresh, gpus, megabytes):
    """A node that is shared gives one GPU a part of its memory; 240 GB with one GPU is no job there."""
    options = ("-n", "--workflow-profile", "none", "--cores", "all", "--config", f"training={{gpus: {gpus}}}")
    done = fresh.run("snakemake", "results/grpo/main/manifest.json", *options, "--resources", f"gpu={gpus}")
    (resources,) = re.findall(r"^rule train_policy:\n(?:    .*\n)*?    resources: (.*)$", done.stdout, re.M)
    assert f"gpu={gpus}" in resources and f"mem_mb={megabytes}," in resources


def test_gpus_of_verifiers_alone_are_asked_for_besides(fresh):
    own = "reward={process: {verifiers: [v], gpus: 1}}", "verifiers={named: {v: {kind: prm, model: openseek}}}"
    options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--config", *own)
    done = fresh.run("snakemake", "results/grpo/main/manifest.json", *options, "--resources", "gpu=7")
    assert done.returncode == 0, done.stdout
    assert "run_job.py --grace 900 --gpus 7 --" in done.stdout
    (needed,) = re.findall(r"^rule train_policy:\n    input: (.*)$", done.stdout, re.M)
    assert "serve_verifier.py" in needed and "resources/models/openseek" in needed
    assert re.search(r"^rule train_policy:\n(?:    .*\n)*?    resources: .*?gpu=7", done.stdout, re.M)
    assert '"gpus": 1' in done.stdout and "resources/models/openseek" in done.stdout
    done = fresh.run("snakemake", "results/grpo/main/manifest.json", *options, "--resources", "gpu=6")
    assert done.returncode and "run grpo asks for 7 GPU(s) and Snakemake was given 6" in done.stdout
    on_a_cpu = ("accelerator=cpu", "reward={process: {verifiers: [v]}}", own[1])
    done = fresh.run("snakemake", "results/grpo/main/manifest.json", *options[:-2], *on_a_cpu)
    (resources,) = re.findall(r"^rule train_policy:\n(?:    .*\n)*?    resources: (.*)$", done.stdout, re.M)
    assert "mem_mb=56500," in resources, "2500 MB for a server besides, and its weights where they are there"


def test_every_file_of_a_study_is_asked_for(fresh):
    """What is damaged is taken away, and Snakemake makes a file again only where it is asked for."""
    done = fresh.run("snakemake", "-n", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
    made = {name for line in re.findall(r"^    output: (.*)$", done.stdout, re.M) for name in line.split(", ")}
    (asked,) = re.findall(r"^rule all:\n    input: (.*)$", done.stdout, re.M)
    assert made - set(asked.split(", ")) == {"resources/published/minilm", "resources/published/openseek"}, "they are used once"


def test_one_run_is_a_target_though_nothing_selects_it(fresh):
    """All its stages are trained, nothing else; each gets the time to save; numbers that do not divide stop it before any job."""
    options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
    done = fresh.run("snakemake", "results/lengthen/manifest.json", *options)
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["train_policy"] == 3 and jobs["summarize_run"] == 1 and "generate_samples" not in jobs
    assert done.stdout.count("run_job.py --grace 900 --gpus 6 --") == 3
    done = fresh.run("snakemake", "results/dapo/manifest.json", *options, "--config", "training={gpus: 5}", "select=[]")
    assert done.returncode == 2 and "Traceback" not in done.stdout
    assert "run dapo, stage main: train_batch_size 264 and mini_batch_size 88 times rollout_n 6 must divide by 5 GPUs" in done.stdout
    assert not (fresh.directory / "results").exists()


def test_a_stage_with_more_layers_is_trained_from_the_deepened_model(fresh):
    stages = "algorithm: supervised, solutions: results/verifiers/labels.parquet, stages: [{name: a, extra_layers: 2}, {name: b}]"
    options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
    done = fresh.run("snakemake", "results/deep/manifest.json", *options, "--config", f"runs={{deep: {{mini_batch_size: 88, {stages}}}}}")
    assert done.returncode == 0, done.stdout
    assert job_counts(done.stdout)["deepen_model"] == 1 and "--layers 2 --out results/deep/a/deepened" in done.stdout
    assert "--model results/deep/a/deepened --train" in done.stdout and "--model results/deep/a/model --train" in done.stdout


@pytest.mark.full
def test_benchmark_of_the_exports_is_made_after_training_and_looked_for_in_no_training_data(make_workflow):
    flow = make_workflow("late")
    with open(flow.directory / "pins.tsv", "a") as pins:
        pins.write("late\tbenchmark\treasoning-gym\tcountdown\texports\tmin_numbers=3\t\t10\tApache-2.0\t\t\n")
    options = ("-n", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6", "--config", "benchmarks=[aime24, gsm8k, late]")
    jobs = {
        target: job_counts(flow.run("snakemake", *options, "--", target).stdout)
        for target in ("resources/benchmarks/late.jsonl", "results/data/matches.parquet")
    }
    assert jobs["resources/benchmarks/late.jsonl"]["train_policy"] == 1
    assert "train_policy" not in jobs["results/data/matches.parquet"] and jobs["results/data/matches.parquet"]["fetch_benchmark"] == 2
    done = flow.run("snakemake", *options, "training={validation_benchmark: late}")
    assert done.returncode == 2 and "validation_benchmark 'late' is made after training" in done.stdout


# arguments after --config, what the one line must hold
BAD = [
    ("training.gpus=2", "--config training.gpus: a key inside another is written as a mapping: --config 'training={gpus: 2}'"),
    ("trainning={}", "unknown key 'trainning'"),
    ("training={rollout_m: 3}", "unknown key 'training.rollout_m'"),
    ("training={train_batch_size: many}", "training.train_batch_size is 'many'; it must be integer"),
    ("training={train_batch_size: 0}", "it must be at least 1"),
    ("select=[grop]", "unknown run 'grop'; known: grpo"),
    ("benchmarks=[gsm8l]", "unknown benchmark 'gsm8l'"),
    ("runs={grpo: {stages: [{name: model}]}}", "runs.grpo.stages: 'model' is taken by what else lies in results/grpo/"),
    ("training={solve_rate: [0.9, 0.1]}", "solve_rate [0.9, 0.1] holds no rate"),
    ("reward={terms: {corect: 1.0}}", "reward term 'corect' is neither"),
    ("runs={grpo: {start_from: dapo}, dapo: {start_from: grpo}}", "start_from goes round in a circle: grpo → dapo → grpo"),
]


# what a model's config.json holds, arguments after --config, what the one line must hold
PLAIN = {"model_type": "qwen3", "hidden_size": 64, "num_attention_heads": 1}
CANNOT = [
    ({"head_dim": 48}, ["accelerator=cpu"], "its attention heads have size 48; on a CPU vLLM has kernels for"),
    ({"final_logit_softcapping": 30.0}, [], "its head changes logits (final_logit_softcapping)"),
    ({"model_type": "deepseek_v3"}, ["training={dtype: float32}"], "vLLM has no float32 kernels on a GPU for the latent attention of"),
    ({"model_type": "deepseek_v3"}, ["evaluation={dtype: float32}"], "evaluation.dtype: vLLM has no float32 kernels on a GPU"),
    ({"num_attention_heads": 8}, ["training={tensor_parallel: 3}"], "main: the 8 attention heads of"),
    ({}, ["accelerator=cpu", "training={dtype: float16}"], "training.dtype: float16 needs a GPU"),
    ([1], [], "config.json: is no object; fetch or copy the model again"),
]


@pytest.mark.parametrize(("own", "settings", "message"), CANNOT, ids=[message[:30] for *_, message in CANNOT])
def test_what_trainer_or_engine_cannot_compute_is_refused_before_any_job(fresh, tmp_path, own, settings, message):
    (tmp_path / "config.json").write_text(json.dumps(PLAIN | own if isinstance(own, dict) else own))
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    (tmp_path / "model.safetensors").touch()
    done = fresh.run("snakemake", "-n", "--cores", "1", "--resources", "gpu=6", "--config", f"base_model={tmp_path}", *settings)
    assert done.returncode == 2, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert message in line and "Traceback" not in done.stdout, done.stdout


@pytest.mark.parametrize(("setting", "message"), BAD, ids=[setting for setting, _ in BAD])
def test_bad_input_stops_before_any_job(fresh, setting, message):
    done = fresh.run("snakemake", "--cores", "1", "--config", setting)
    assert done.returncode == 2
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert message in line, done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.directory / "results").exists() and not (fresh.directory / "logs").exists()


def test_hints_wait_for_their_solutions_and_other_runs_for_nothing(fresh):
    """An entry of augmentation is asked once, its funnel is a result; the run beside it is formatted by the command of always."""
    entry = "{kind: solutions, model: m, address: 'http://127.0.0.1:8765/v1', budget: {requests: 9}}"
    hints = "{solutions: worked, share: [0.3, 0.7], solve_rate: [0, 0.2]}"
    runs = f"runs={{hinted: {{mini_batch_size: 88, data: {{hints: {hints}}}}}, plain: {{mini_batch_size: 88}}}}"
    setting = (f"augmentation={{worked: {entry}}}", runs, "select=[hinted, plain]")
    options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
    done = fresh.run("snakemake", *options, "--config", *setting)
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["request_variants"] == jobs["admit_variants"] == 1 and jobs["format_training_data"] == 2
    assert "results/augmentation/worked/funnel.json" in done.stdout
    said = re.findall(r"--hints\S* .*?(?= --validation)", done.stdout)
    assert said == ["--hints=results/augmentation/worked/rows.parquet --hint-share 0.3 0.7 --hint-solve-rate 0 0.2"]


STAGED = "mini_batch_size: 88, stages: [{name: easy}, {name: hard, start_from: base}]"


@pytest.mark.parametrize("budget", ["", "budget: {gpu_hours: 100}, "])
def test_a_later_stage_waits_for_what_earlier_ones_leave_of_the_budget(fresh, budget):
    for target, file in (("train", "manifest"), ("forecast", "forecast")):
        setting = f"runs={{shared: {{{budget}{STAGED}}}}}"
        options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
        done = fresh.run("snakemake", target, *options, "--config", setting, "select=[shared]")
        assert done.returncode == 0, done.stdout
        assert (f"--earlier=results/shared/easy/{file}.json" in done.stdout) == bool(budget)
        assert done.stdout.count('--run-budget={"gpu_hours": 100, "tokens": null}') == (2 if budget else 0)


def test_a_forecast_over_several_nodes_is_launched_as_training_is(fresh):
    """Else verl would wait for its second node for ever."""
    pattern = re.compile(
        r"^rule (train_policy|forecast_training):\n(?:    .*\n)*?    resources: (.*)\n"
        r"(?:.*\n)*?.*run_job.py --grace (\d+) (.*?) python scripts",
        re.M,
    )
    setting = ("training={nodes: 2, steps: 10}", "runs={grpo: {mini_batch_size: 88}}")
    for rule, target, grace in (("train_policy", "train", "900"), ("forecast_training", "forecast", "30")):
        done = fresh.run("snakemake", "-n", "-p", "--profile", "profiles/slurm", target, "--config", *setting)
        assert done.returncode == 0, done.stdout
        ((found, resources, seconds, launched),) = pattern.findall(done.stdout)
        assert (found, seconds) == (rule, grace)
        assert launched == "--gpus 0 -- python3 scripts/run_on_nodes.py --gpus 6 --accelerator cuda --"
        assert {"nodes=2", "mpi=srun", "tasks_per_node=2", "gres=gpu:6"} <= set(resources.split(", ")), resources


def test_own_solve_rates_come_with_the_configured_bands(fresh):
    options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
    for setting, bands in (("", "quintiles"), ("data={difficulty_bands: [0.5, 0.1]}", "0.5 0.1")):
        own = ("--config", "training={solve_rates: own, solve_rate: [0.01, 0.99]}", *filter(None, [setting]))
        done = fresh.run("snakemake", "data", *options, *own)
        assert done.returncode == 0, done.stdout
        assert f"--solve-rates=results/data/solve_rates.parquet --difficulty-bands {bands} " in done.stdout


def test_more_gpus_than_given_are_refused(fresh):
    done = fresh.run("snakemake", "-n", "--cores", "all", "--resources", "gpu=4")
    assert done.returncode != 0 and "asks for 6 GPU(s) and Snakemake was given 4" in " ".join(done.stdout.split())
