"""Augmentation on the whole demo: variants beside plain and repeated data in one table, and a real vLLM server. Minutes to half an hour."""

import csv
import json
import shutil

import polars as pl
import pytest
from mathrl.demo import provider
from support import providers
from support.vllm_server import serving

from .conftest import copy_data

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(5600)]
OVERLAY = ("--configfile", "profiles/demo/demo.yaml", "profiles/demo/augmented.yaml")
GROUPS = ("plain", "augmented", "repeated")


@pytest.fixture
def demo(finished, make_workflow):
    """The demo's directory once more, its data and base model made already."""
    return copy_data(finished, make_workflow("augmented"))


def at(address: str, **more) -> str:
    """The overlay's entry at another address, for the command line."""
    entry = {"address": address, **more}
    return f"augmentation={{retold: {json.dumps(entry)}}}"


def test_variants_beside_plain_and_repeated_data_in_one_table(demo):
    """Nine runs at equal tokens. What they show is read from the table; that nothing leaks and nothing is unequal is asserted."""
    with providers.Server(provider.good) as server:
        done = demo.snakemake(*OVERLAY, "--config", at(server.address), timeout=5400)
        assert done.returncode == 0, done.stdout[-5000:]
        assert max(server.times_asked().values()) == 1
    results = demo.directory / "results"
    rows = pl.read_parquet(results / "augmentation/retold/rows.parquet")
    funnel = json.loads((results / "augmentation/retold/funnel.json").read_text())
    stopped = {door["door"]: door["rows_in"] - door["rows_out"] for door in funnel["doors"]}
    assert len(rows) > 50 and stopped["decontamination"] > 0 and stopped["useful"] > 0, stopped
    counts = {run: json.loads((results / f"{run}-seed-1/main/data.json").read_text())["counts"] for run in GROUPS}
    assert counts["augmented"]["augmented"] == counts["repeated"]["repeated"] == len(rows)
    assert {counts[run]["train"] for run in GROUPS} == {counts["plain"]["train"]}
    manifests = [json.loads((results / f"{run}-seed-{seed}/main/manifest.json").read_text()) for run in GROUPS for seed in (1, 2, 3)]
    tokens = [manifest["generated_tokens"] for manifest in manifests]  # what the budget counts
    assert max(tokens) < 1.05 * min(tokens), tokens
    with open(results / "scores.csv") as table:
        models = {row["model"] for row in csv.DictReader(table)}
    assert {f"{run}-seed-{seed}" for run in GROUPS for seed in (1, 2, 3)} <= models
    assert 'id="augmentation"' in (results / "report.html").read_text()


def test_vllms_own_server_is_asked_counted_and_replayed(demo):
    """The demo's base model serves: it knows no form, so every proposal ends at the first door; what it cost is the server's count."""
    with serving(demo.directory / "resources/models/demo-base", "scripted", demo.directory / "server.log") as address:
        small = at(address, problems={"count": 12}, max_tokens=40, holds={"k": 2, "m": 1, "max_tokens": 40}, useful=False)
        target = "results/augmentation/retold/funnel.json"
        done = demo.snakemake(*OVERLAY, "--config", small, "--", target, timeout=1500)
        assert done.returncode == 0, done.stdout[-5000:]
    folder = demo.directory / "results/augmentation/retold"
    costs = json.loads((folder / "requests.json").read_text())
    assert costs["answered"] == costs["requests"] >= 12 and costs["spent"]["tokens"] > 0
    funnel = json.loads((folder / "funnel.json").read_text())
    assert funnel["doors"][0]["rows_in"] == 12 and funnel["rows"] == 0 and funnel["doors"][0]["examples"]
    before = (folder / "proposals.parquet").read_bytes()
    shutil.move(folder / "answers.jsonl.zst", demo.directory / "shipped.jsonl.zst")
    shutil.rmtree(demo.directory / "checkpoints/augmentation")
    again = at(address, problems={"count": 12}, max_tokens=40, holds={"k": 2, "m": 1, "max_tokens": 40}, useful=False).replace(
        f'"{address}"', 'null, "cache": "shipped.jsonl.zst"'
    )
    done = demo.snakemake(*OVERLAY, "--config", again, "--", target, timeout=600)
    assert done.returncode == 0 and (folder / "proposals.parquet").read_bytes() == before, done.stdout[-3000:]


def test_the_workflows_own_engine_answers_without_a_server(demo):
    """In batch, by the demo's base model, which solves nothing that it reads in this form: every proposal is there and counted."""
    entry = at("engine", model="demo-base", problems={"count": 12}, max_tokens=40, holds={"k": 2, "m": 1, "max_tokens": 40}, useful=False)
    target = "results/augmentation/retold/funnel.json"
    done = demo.snakemake(*OVERLAY, "--config", entry, "--", target, timeout=2400)
    assert done.returncode == 0, done.stdout[-5000:]
    folder = demo.directory / "results/augmentation/retold"
    costs = json.loads((folder / "requests.json").read_text())
    assert costs["answered"] == costs["requests"] >= 12 and costs["spent"]["tokens"] > 12
    assert json.loads((folder / "funnel.json").read_text())["doors"][0]["rows_in"] == 12
