"""What Snakemake would do, without doing it: the full experiment, the profiles, and bad input before any job."""

import re

import pytest

from .conftest import job_counts, processor_seconds


@pytest.fixture(scope="module")
def fresh(make_workflow):
    return make_workflow("fresh")


def test_the_reports_experiment(fresh):
    began = processor_seconds()
    done = fresh.run("snakemake", "-n", "--cores", "all", "--resources", "gpu=6", "-p")
    seconds = processor_seconds() - began
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["train_policy"] == 1
    assert jobs["generate_samples"] == 2 * 6, "two models × six cards: an engine starts once a model and card, not once a benchmark"
    assert jobs["grade_samples"] == 2 * 2 * 6, "two models × two protocols × six benchmarks"
    assert "1584 to 1728" in done.stdout, "that verl pads 264/72 is said where a user sees it"
    assert seconds < 5, f"{seconds:.1f} s of processor time; docs/demo.md has the time on the clock"


def test_cards_are_asked_for(fresh):
    targets = ("results/grpo/main/manifest.json", "results/base/generation/0.json")
    done = fresh.run("snakemake", "-n", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6", "--", *targets)
    assert done.returncode == 0, done.stdout
    wanted = dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: .*?gpu=(\d+)", done.stdout, re.M))
    assert wanted == {"train_policy": "6", "generate_samples": "1", "decontaminate_problems": "1"}, done.stdout[-3000:]


def test_one_run_is_a_target_though_nothing_selects_it(fresh):
    """All its stages are trained, nothing else; each gets the time to save; numbers that do not divide stop it before any job."""
    options = ("-n", "-p", "--workflow-profile", "none", "--cores", "all", "--resources", "gpu=6")
    done = fresh.run("snakemake", "results/lengthen/manifest", *options)
    assert done.returncode == 0, done.stdout
    jobs = job_counts(done.stdout)
    assert jobs["train_policy"] == 3 and jobs["finish_run"] == 1 and "generate_samples" not in jobs
    assert done.stdout.count("run_supervised.py --grace 900 --cards 6 --") == 3
    done = fresh.run("snakemake", "results/dapo/manifest", *options, "--config", "training={gpus: 5}", "select=[]")
    assert done.returncode != 0
    assert "run dapo, stage main: train_batch_size 264 and mini_batch_size 88 times rollout_n 6 must divide by 5 cards" in done.stdout
    assert not (fresh.directory / "results").exists()


@pytest.mark.parametrize("profile", ["profiles/default", "profiles/local", "profiles/slurm", "profiles/demo"])
def test_every_profile_resolves_here(fresh, profile):
    done = fresh.run("snakemake", "-n", "--cores", "all", "--profile", profile)
    assert done.returncode == 0, done.stdout


# arguments after --config, what the one line must hold
BAD = [
    ("trainning={}", "unknown key 'trainning'"),
    ("training={rollout_m: 3}", "unknown key 'training.rollout_m'"),
    ("training={train_batch_size: many}", "training.train_batch_size is 'many'; it must be integer"),
    ("training={train_batch_size: 0}", "it must be at least 1"),
    ("select=[grop]", "unknown run 'grop'; known: grpo"),
    ("benchmarks=[gsm8l]", "unknown benchmark 'gsm8l'"),
]


@pytest.mark.parametrize(("setting", "message"), BAD, ids=[setting for setting, _ in BAD])
def test_bad_input_stops_before_any_job(fresh, setting, message):
    done = fresh.run("snakemake", "--cores", "1", "--config", setting)
    assert done.returncode != 0
    flat = " ".join(done.stdout.split())
    assert message in flat, done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.directory / "results").exists() and not (fresh.directory / "logs").exists()


def test_more_cards_than_given_are_refused(fresh):
    done = fresh.run("snakemake", "-n", "--cores", "all", "--resources", "gpu=4")
    assert done.returncode != 0 and "asks for 6 GPU(s) and Snakemake was given 4" in " ".join(done.stdout.split())
