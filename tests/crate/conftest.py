"""A small finished study on three benchmarks, of which one may not be passed on."""

import getpass
import importlib
import json
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from mathrl.config.experiment import spelled_out
from mathrl.core.files import write_json, write_jsonl, write_text
from mathrl.core.provenance import provenance
from mathrl.data.benchmarks import read_benchmark
from mathrl.evaluation.grading import evaluate, read_matches, read_samples
from mathrl.evaluation.scores import load_evals, score_table
from mathrl.statistics.comparisons import run_groups

SECRET = "A farmer keeps seventeen hens and buys twice as many geese as hens. Which value has $x^2 - 34 x + 289$ for 17 birds?"
ITEMS = {
    "open": [
        {"id": "a", "problem": "What is 3 + 4?", "answer": "7", "domain": ["Algebra"]},
        {"id": "b", "problem": "Half of one?", "answer": "0.5"},
    ],
    "closed": [{"id": "c", "problem": SECRET, "answer": "(x-17)^2"}, {"id": "d", "problem": "Name the parity of two.", "answer": "even"}],
}
RESPONSES = {
    "a": ["3 + 4 = 7, so \\boxed{7}", "\\boxed{8}"],
    "b": ["\\boxed{0.5}", "It is 0.5"],
    "c": ["\\boxed{x^2 - 34 x + 289}", f"We are told: {SECRET} So \\boxed{{(x-17)^2}}"],
    "d": ["\\boxed{even}", "\\boxed{odd}"],
}
PINS = """name\tkind\tsource\tid\trevision\tfile\tsha256\trows\tlicence\turl\tmirror
open\tbenchmark\thttp\thttps://joe:token@example.org/open.jsonl\t1\t\t\t\tMIT\thttps://example.org/open\t
closed\tbenchmark\tfile\t/data/{user}/closed.jsonl\t\t\t\t\tApache-2.0 (repository); problems © Somebody\t\t
train\tdataset\thttp\thttp://fileserver.lan/train.parquet\t\t\t\t\tApache-2.0\t\t
base\tmodel\tfile\tmodels/base\t\t\t\t\tMIT\t\t
"""
MODELS = ("base", "grpo")
ROOT = Path(__file__).resolve().parents[2]
COMMIT = "1" * 40
USER = getpass.getuser() + "-planted"


def grade(benchmark, model):
    cell = Path(f"results/{model}/contest")
    samples, items = cell / f"samples/{benchmark}.jsonl.zst", Path(f"resources/benchmarks/{benchmark}.jsonl")
    problems = read_benchmark(items)
    rows = [
        {"id": item["id"], "sample": number - 1, "response": text, "finish_reason": "stop", "tokens": 9}
        for item in ITEMS[benchmark]
        for number, text in enumerate([*RESPONSES[item["id"]][:: 1 if model == "grpo" else -1], "\\boxed{7}"])
    ]
    write_jsonl(samples, rows)
    contaminated, removing = read_matches("results/data/matches.parquet", benchmark)
    settings = {"grader": "ours", "extraction": "strict", "workers": 1, "benchmark": benchmark}
    made = evaluate(read_samples(rows, problems, ""), problems, contaminated=contaminated, removing=removing, **settings)
    made |= {"model": model, "protocol": "contest", "benchmark": benchmark}
    inputs = {"samples": samples, "benchmark": items, "matches": "results/data/matches.parquet"}
    write_json(cell / f"eval/{benchmark}.json", made | {"provenance": provenance(inputs)})


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The folder of a study with its crate, made once; tests do not change it."""
    folder = tmp_path_factory.mktemp("crate") / USER / "work"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_json("config.json", make_study(yaml.safe_load((ROOT / "config.yaml").read_text()), folder))
        call(patch, "write_crate", "--config", "config.json", "--models", *MODELS, "--pins", "pins.tsv", "--out", "results/crate.zip")
    return folder


def call(patch, name, *arguments):
    """Run an entry script in this process; its exit code."""
    patch.setattr(sys, "argv", [name, *map(str, arguments)])
    return importlib.import_module(name).main() or 0


def make_study(config, folder):
    """Write the study's files into the working directory `folder`; returns its configuration."""
    config |= {"benchmarks": list(ITEMS), "dataset": "train", "base_model": "base", "embedding_model": None, "select": ["grpo"]}
    config["models"] = {"mine": f"/scratch/{USER}/model"}
    config["evaluation"] |= {"select": ["contest"], "primary": "contest", "steps": []}
    protocol = config["evaluation"]["protocols"]["contest"] | {"n": 2, "greedy": True, "grader": "ours", "extraction": "strict"}
    config["evaluation"]["protocols"] = {"contest": protocol}
    for name, items in ITEMS.items():
        write_jsonl(f"resources/benchmarks/{name}.jsonl", items)
    write_text("pins.tsv", PINS.format(user=USER))
    columns = {"problem_id": ["p", "q"], "benchmark": ["open", "closed"], "item_id": ["a", "c"], "method": ["exact", "fuzzy"]}
    columns |= {"score": [1.0, 0.9], "evidence": ["what is 3 + 4", SECRET.lower()], "removed": [True, True]}
    Path("results/data").mkdir(parents=True)
    pl.DataFrame(columns).write_parquet("results/data/matches.parquet")
    pl.DataFrame({"id": ["p", "q"], "problem": ["What is 3+4 ?", SECRET]}).write_parquet("results/data/problems.parquet")
    for model in MODELS:
        for name in ITEMS:
            grade(name, model)
        write_json(
            f"results/{model}/generation/0.json", {"stores": {"contest": f"{folder}/checkpoints/samples/1"}, "provenance": provenance()}
        )
    manifest = {"run": "grpo", "stage": "main", "steps": 0, "start_model": f"{Path.home()}/models/base", "rollouts": None}
    manifest["trained_by"] = [
        {"first_step": 1, "last_step": 4, "git_commit": "2" * 40},
        {"first_step": 5, "last_step": 6, "git_commit": COMMIT},
    ]
    write_json("results/grpo/main/manifest.json", manifest | {"provenance": provenance()})
    write_text("results/grpo/model/README.md", f"# grpo\n\nTrained from {folder}/models/base and /mnt/{USER}/more.\n")
    disagreement = {"id": "c", "extracted": {"ours": SECRET}, "answer": "(x-17)^2"}
    accepted = {"ours": 1, "contest": 0, "math_verify": 0}
    disagreement |= {"pattern": "contest=0 math_verify=0 ours=1", "sample": 0, "statuses": {"ours": "equal"}}
    audit = {"closed": {"disagreements": [disagreement], "patterns": {disagreement["pattern"]: 1}, "samples": 1, "accepted": accepted}}
    write_json("results/audit.json", {"schema_version": 1, "benchmarks": audit, "provenance": provenance()})
    evals, missing = load_evals("results", MODELS, ["contest"], list(ITEMS))
    table = score_table(evals, missing, MODELS, ["contest"], list(ITEMS), "contest", run_groups(spelled_out(config), MODELS))
    write_text("results/scores.csv", table.csv())
    write_text("results/scores.md", table.markdown())
    return config


@pytest.fixture
def study(made, monkeypatch):
    """The study as the working directory; its configuration."""
    monkeypatch.chdir(made)
    return json.loads(Path("config.json").read_text())


@pytest.fixture
def crate(study):
    """Its crate."""
    return Path("results/crate.zip").resolve()


@pytest.fixture
def command(monkeypatch, capsys):
    """Run an entry script in this process: (exit code, what it printed)."""

    def run(name, *arguments):
        return call(monkeypatch, name, *arguments), capsys.readouterr().out

    return run


@pytest.fixture
def rebuild(command, tmp_path):
    """Rebuild a crate's table in `tmp_path/rebuilt`, with the study's benchmarks as the fetched ones: (exit code, what is said)."""

    def call(crate, *more):
        return command("rebuild_scores", "--crate", crate, "--out", tmp_path / "rebuilt", *more)

    return call
