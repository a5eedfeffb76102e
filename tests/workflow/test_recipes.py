"""The files of recipes/: each resolves, its numbers fit, and its experiment runs in small on a CPU."""

import csv
import os
import re

import pytest
from mathrl.config import reading, validation
from mathrl.data.downloads import pin_rows, read_pins
from mathrl.models.usual import USUAL
from mathrl.training import memory
from support import stand_ins

from .conftest import ROOT, job_counts

RECIPES = sorted(path.name for path in (ROOT / "recipes").glob("*.yaml"))
TRAINED = [name for name in RECIPES if name != "report.yaml"]


def validated(name, **over):
    raw = reading.merge(reading.read_yaml(ROOT / "config.yaml", ROOT / "recipes" / name), over)
    return validation.validate(raw, lambda path: pin_rows(ROOT / path))


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
@pytest.mark.parametrize("name", TRAINED)
def test_numbers_divide_and_fit(name, gpus):
    """On 80 GiB as they are; on one GPU of 48 GiB too, as the recipe says."""
    config, notices = validated(name, training={"gpus": gpus}, evaluation={"shards": gpus})
    assert notices == [], "no padding"
    stage = config.stage("grpo", "main")
    model = memory.read_model(USUAL[read_pins(ROOT / "pins.tsv")[config.base_model].origin.id])
    for gib in (48, 80):
        assert memory.fits(memory.estimate(model, stage, gib * memory.GIB), stage, gib * memory.GIB)
    assert stage.max_prompt_length + stage.max_response_length <= 4096, "the context of Qwen2.5-Math-1.5B"


@pytest.mark.parametrize("name", RECIPES)
def test_bands_are_of_what_is_measured_and_in_the_page(name):
    config, _ = validated(name)
    page = (ROOT / "recipes/README.md").read_text()
    assert f"--configfile recipes/{name}" in page and {band.run for band in config.evaluation.bands} == {"base", "grpo"}
    for band in config.evaluation.bands:
        assert re.search(r"arXiv \d{4}\.\d{5}|\w+/[\w.-]+\.md|pull request|report", band.source), "a source that can be found"
        if band.run == "grpo":
            assert f"{100 * band.low:g}–{100 * band.high:g}" in page or f"{100 * band.low:g}" in page


@pytest.fixture(scope="module")
def fresh(make_workflow):
    return make_workflow("recipes")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_resolves(fresh, name):
    gpus = "6" if name == "report.yaml" else "1"
    done = fresh.run("snakemake", "-n", "--cores", "all", "--resources", f"gpu={gpus}", "--configfile", f"recipes/{name}")
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = job_counts(done.stdout)
    assert (jobs["fetch_dataset"], jobs["train_policy"], jobs["render_report"]) == (1, 1, 1)
    assert jobs["generate_samples"] == 2 * (6 if name == "report.yaml" else 1), "base and run"


@pytest.mark.full
@pytest.mark.workflow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TRAINED)
def test_a_recipe_runs_in_small(make_workflow, name):
    """Its data in the published layout and a random model of its architecture, from the download to the score beside its band."""
    workflow = make_workflow("recipe")
    small = stand_ins.lay_out(workflow.directory / "stand-ins", ROOT / "recipes" / name)
    files = (f"recipes/{name}", os.path.relpath(small, workflow.directory))
    host = ("--workflow-profile", "none", "--cores", "2", "--resources", "gpu=1")  # no containers
    done = workflow.run("snakemake", *host, "--configfile", *files, "--", "results/scores.csv")
    assert done.returncode == 0, done.stdout[-6000:]
    with open(workflow.directory / "results/scores.csv") as handle:
        rows = {row["model"]: row for row in csv.DictReader(handle) if row["metric"] == "greedy"}
    for band in validated(name)[0].evaluation.bands:
        measured = rows[band.run][band.benchmark]
        said = f"{band.benchmark} {measured}, expected {100 * band.low:.2f}–{100 * band.high:.2f}: below"
        assert float(measured) < 20 and rows[band.run]["bands"].startswith(said), "a random model solves next to nothing"
