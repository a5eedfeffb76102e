"""What a recipe downloads, in small: a random model of the same architecture, and made problems in the layouts that are published."""

import json
import random
from pathlib import Path

from mathrl.config.reading import read_yaml
from mathrl.data.downloads import read_pins
from mathrl.models.usual import USUAL

SUBJECTS = ("algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra", "precalculus")
SMALL = {"vocab_size": 512, "hidden_size": 384, "intermediate_size": 512, "num_hidden_layers": 2}  # heads, groups and ties are the model's
ROOT = Path(__file__).parents[2]


def sums(count: int, seed: int) -> list[tuple[str, int]]:
    """Problems that are no near copies of each other, and their answers."""
    draw = random.Random(seed)
    names, things = ("Ada", "Ben", "Chloe", "Dan", "Eve", "Finn"), ("apples", "cards", "shells", "stamps", "coins")
    made = {}
    for _ in range(4 * count):
        a, b, c = (draw.randint(2, 97) for _ in range(3))
        words = " and ".join(draw.sample(names, draw.randint(2, 5)))
        text = f"{words} find {a} {draw.choice(things)} in {b} of {draw.randint(3, 99)} {draw.choice(things)} and lose {c}. How many?"
        made[text] = a * b - c
    return list(made.items())[:count]


def gsm8k(count: int, seed: int) -> list[dict[str, str]]:
    """Rows as openai/gsm8k has them."""
    return [{"question": text, "answer": f"They have <<{n}={n}>>{n}.\n#### {n}"} for text, n in sums(count, seed)]


def math(count: int, seed: int) -> list[dict[str, str]]:
    """Rows as EleutherAI/hendrycks_math has them."""
    more = {"level": "Level 1", "type": "Algebra"}
    return [{"problem": text, "solution": rf"It is $\boxed{{{n}}}$.", **more} for text, n in sums(count, seed)]


def write_model(folder: Path, kind: str) -> None:
    """Random weights in the architecture of a model of `USUAL`, with a tokenizer and a chat template."""
    import torch
    from mathrl.demo.model import train_tokenizer
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = train_tokenizer([text for text, _ in sums(40, 3)])
    config = AutoConfig.for_model(**{**USUAL[kind], **SMALL}, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    config.max_position_embeddings, config.bos_token_id = 4096, None
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def lay_out(folder: Path, recipe: Path) -> Path:
    """Write everything that a recipe names below a folder, and the overlay that makes its training small; returns the overlay."""
    import polars as pl

    named = read_yaml(recipe)
    pins = read_pins(ROOT / "pins.tsv")
    model, dataset, (benchmark,) = named["base_model"], named["dataset"], named["benchmarks"]
    write_model(folder / model, pins[model].origin.id)
    rows = {"gsm8k-train": {"main": gsm8k(60, 1)}, "math-train": {name: math(10, seed) for seed, name in enumerate(SUBJECTS)}}[dataset]
    for name, part in rows.items():
        (folder / dataset / name).mkdir(parents=True)
        pl.DataFrame(part).write_parquet(folder / dataset / name / "train-00000-of-00001.parquet")
        pl.DataFrame(part[:1]).write_parquet(folder / dataset / name / "test-00000-of-00001.parquet")  # which the pin does not want
    items = {"gsm8k": gsm8k, "math500": math}[benchmark](6, 99)
    (folder / f"{benchmark}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    count = sum(map(len, rows.values()))
    table = [["name", "kind", "source", "id", "revision", "file", "sha256", "rows", "licence", "url", "mirror"]]
    table += [[name, kind, "file", f"{folder.name}/{place}", "", files, "", rows, "", "", ""] for name, kind, place, files, rows in [
        (model, "model", model, " ".join(pins[model].files), ""),
        (dataset, "dataset", dataset, " ".join(pins[dataset].files), str(count)),
        (benchmark, "benchmark", f"{benchmark}.jsonl", "", str(len(items))),
    ]]  # fmt: skip
    (folder / "pins.tsv").write_text("".join("\t".join(row) + "\n" for row in table))
    training = {"gpus": 1, "steps": 1, "train_batch_size": 8, "mini_batch_size": 8, "max_prompt_length": 256, "max_response_length": 16}
    training |= {"dtype": "float32", "save_every": 1, "validate_every": 1, "validate_before": False}
    small = {"accelerator": "cpu", "pins": f"{folder.name}/pins.tsv", "data": {"dev_size": 4}, "training": training}
    small["evaluation"] = {"dtype": "float32", "protocols": {"recipe": {"n": 1, "max_tokens": 16}}}
    (folder / "small.json").write_text(json.dumps(small))
    return folder / "small.json"
