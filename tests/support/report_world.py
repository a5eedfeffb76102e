"""A small study's results, hostile text wherever text can stand, for the tests of the study report."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from mathrl.core.files import write_json, write_jsonl

from support.events import write_events

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><script>window.stolen=1</script><img src=x onerror=window.stolen=1><svg/onload=window.stolen=1> {{7*7}} ]]> \u202e\x00"
SCRIPTS = ROOT / "scripts"
MODELS = ("base", "grpo", "dapo", "grpo@step-20", "grpo@last")


def call(script, *arguments, code=0):
    done = subprocess.run([sys.executable, SCRIPTS / script, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def configuration():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    protocol = {"prompt": "training", "temperature": 1.0, "top_p": 1.0, "n": 4, "greedy": True, "max_tokens": 40, "seed": 0}
    protocol |= {"grader": "ours", "extraction": "strict"}
    config["benchmarks"] = ["toy", "other"]
    config["runs"] = {"grpo": {}, "dapo": {"clip_high": 0.28, "stages": [{"name": "short"}, {"name": "long"}]}}
    config["select"] = ["grpo", "dapo"]
    config["evaluation"] |= {"protocols": {"finalist": protocol}, "select": ["finalist"], "primary": "finalist", "steps": [20, "last"]}
    config["training"]["validation_benchmark"] = "toy"
    return config


def make_world(folder, hostile=HOSTILE):
    """Results of a small study with three models, leaks, training logs, rollouts and hostile text wherever text can stand."""
    import polars as pl

    results = folder / "results"
    for benchmark in ("toy", "other"):
        problems = [
            {
                "id": f"{benchmark}-{i}",
                "problem": f"What is {i} + 1? {hostile}",
                "answer": str(i + 1),
                "domain": [hostile if i % 2 else "Algebra"],
            }
            for i in range(20)
        ]
        write_jsonl(folder / f"benchmarks/{benchmark}.jsonl", problems)
    matches = [
        {"problem_id": "p1", "benchmark": "toy", "item_id": f"toy-{i}", "method": m, "score": 0.9, "evidence": hostile, "removed": True}
        for i in (0, 3)
        for m in ("exact", "ngram")
    ]
    (results / "data").mkdir(parents=True)
    pl.DataFrame(matches).write_parquet(results / "data/matches.parquet")
    pl.DataFrame({"id": ["p1"], "problem": [f"What is 0 + 1? {hostile}"]}).write_parquet(results / "data/problems.parquet")
    row = {"items": 20, "items_found": 2, "items_left": 0, "rows": 1, "rows_removed": 1, "share_of_benchmark": 0.1, "share_of_score": 0.05}
    table = [row | {"benchmark": b, "method": m} for b in ("toy", "other") for m in ("raw", "exact", "any")]
    totals = {"rows": 100, "rows_matched": 1, "rows_removed": 1, "share_of_score": 0.05, "table": table}
    write_json(results / "data/contamination.json", totals)
    write_json(results / "data/funnel.json", {"steps": [{"step": "contract", "rows_in": 110, "rows_out": 100}]})
    for model, skill in (("base", 0.2), ("grpo", 0.6), ("dapo", 0.5)):
        for benchmark in ("toy", "other"):
            rows = []
            for i in range(20):
                for number in (-1, 0, 1, 2, 3):
                    answer = i + 1 if (i * 7 + number * 3) % 10 < 10 * skill else 0
                    slip = "2 + 2 = 5, " if number == 2 else ""
                    text = f"{hostile} {slip}{i} + 1 = {i + 1} so \\boxed{{{answer}}} {hostile}"
                    rows.append({"id": f"{benchmark}-{i}", "sample": number, "response": text, "finish_reason": "stop", "tokens": 20 + i})
            path = results / f"{model}/finalist/samples/{benchmark}.jsonl.zst"
            write_jsonl(path, rows)
            flags = ["--samples", path, "--benchmark", folder / f"benchmarks/{benchmark}.jsonl", "--model", model, "--protocol", "finalist"]
            call(
                "grade_samples.py",
                *flags,
                "--matches",
                results / "data/matches.parquet",
                "--out",
                results / f"{model}/finalist/eval/{benchmark}.json",
            )
    for point, step in (("step-20", 20), ("last", 60)):  # the same responses stand in for those of other checkpoints
        shutil.copytree(results / "grpo", results / f"grpo@{point}")
        write_json(results / f"grpo@{point}/model/export.json", {"step": step})
    collapse = [{"limit": "reward_drop", "metric": "reward", "step": 30, "value": 0.1234, "bound": 0.4}]
    for run, stage in (("grpo", "main"), ("dapo", "short"), ("dapo", "long")):
        logs = folder / "logs" / run / stage
        events = [(s, tag, v) for s in range(1, 61) for tag, v in (("critic/score/mean", 0.3 + s / 300), ("actor/entropy", 0.2 - s / 1000))]
        events += [(s, "response_length/mean", 200.0 + s) for s in range(1, 61)]
        events += [
            (s, f"val-{k}/mean@1", s / 100)
            for s in range(0, 61, 10)
            for k in ("core/toy/acc", "aux/toy/format", "aux/toy/reward", "core/dev/acc")
        ]
        write_events(logs, events)
        rollouts = folder / "rollouts" / run / stage
        write_jsonl(
            rollouts / "10.jsonl",
            [{"input": "problem", "output": hostile, "gts": "1", "score": 1.0, "step": 10, "acc": 1.0}, {"output": "no", "score": 0.1}],
        )
        manifest = {"run": run, "stage": stage, "steps": 60, "chosen_step": 40, "chosen_why": f"best {hostile}", "fingerprint": "ab" * 32}
        manifest |= {"tensorboard": str(logs), "rollouts": str(rollouts), "tokens": 12345, "gpu_hours": 1.5, "seconds": 900.0}
        if run == "dapo":
            manifest |= {"collapse": collapse if stage == "long" else []}
        write_json(results / run / stage / "manifest.json", manifest)
    call(
        "plot_training.py",
        "--results",
        results,
        "--runs",
        "grpo=main",
        "dapo=short,long",
        "--validation-benchmark",
        "toy",
        "--out",
        results / "figures",
    )
    write_json(folder / "config.json", configuration())
    return folder


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def render(folder, name="report.html", models=MODELS, live=False):
    flags = ["--results", folder / "results", "--benchmark-dir", folder / "benchmarks", "--config", folder / "config.json"]
    call("render_report.py", *flags, "--models", *models, *(["--live"] if live else []), "--out", folder / name)
    return (folder / name).read_text()
