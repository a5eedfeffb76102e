#!/usr/bin/env python3
"""Whether two checkouts make the same of the same input, byte for byte but for provenance and renamed words.

    python tests/support/frozen.py OLD NEW WORK [--demo FINISHED]

Compared are problems.parquet, matches.parquet, the grades, the score table and the configuration that verl resolves for `grpo`. Without
--demo the input is what OLD makes for the demo, with responses written at random; with it, what a finished demo of OLD has sampled.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCHMARKS = ("demo_symbols", "demo_words", "demo_mixed")
WORDS = (("touched", "contaminated"),)  # old word, new word: in keys of JSON and in the table
DEMO = ("--problems", "4000", "--items", "100", "--leaks", "12", "--seed", "1")

RESPONSES = """
import json, random, sys
from pathlib import Path
source, out = map(Path, sys.argv[1:])
for model, worked, boxed in (("base", 0.3, 0.3), ("grpo", 0.8, 0.9)):
    for benchmark in sorted(source.glob("demo_*.jsonl")):
        rng = random.Random(f"{model} {benchmark.stem}")
        rows = [json.loads(line) for line in benchmark.read_text().splitlines()]
        with open(out / f"{model}_{benchmark.stem}.jsonl", "w") as file:
            for row in rows:
                for sample in range(5):
                    answer = row["answer"] if rng.random() < worked else str(rng.randrange(300))
                    text = f"So we get {answer}." if rng.random() > boxed else f"So it is 3 + 4 = 7 and \\\\boxed{{{answer}}}."
                    done = "stop" if rng.random() < 0.9 else "length"
                    file.write(json.dumps({"id": row["id"], "sample": sample - 1, "response": text,
                                           "finish_reason": done, "tokens": len(text.split())}) + "\\n")
"""
CONFIG = """
import inspect, json, sys, yaml
sys.path.insert(0, "scripts")
try:
    from mathrl.verl import grpo_config as keys
except ImportError:
    from mathrl import verl_config as keys
config = yaml.safe_load(open("config.yaml"))
files = {"train_file": "t.parquet", "validation_file": "v.parquet", "checkpoints": "c"}
try:
    from mathrl.config.experiment import spelled_out
    stage = spelled_out(config).stage("grpo", "main")
    files |= {"store": "s"} if "store" in inspect.signature(keys.places).parameters else {}
    asked = keys.overrides(stage, accelerator="cuda", model="m") | keys.places(stage, run="grpo", **files)
except ImportError:  # before the configuration had types
    try:
        from mathrl.config import configuration
    except ImportError:
        from mathrl import config as configuration
    stage = configuration.stage_config(config, "grpo", "main")
    asked = keys.overrides(stage, accelerator="cuda", model="m", run="grpo", reward=config["reward"], **files)
print("RESOLVED" + json.dumps(keys.resolve(asked), sort_keys=True, indent=1))
"""
ENVIRONMENT = """
import sys
sys.path.insert(0, "scripts")
try:
    from mathrl.verl.environment import verl_environment
except ImportError:
    from mathrl.verl_config import environment as verl_environment
import json
print(json.dumps(verl_environment("cuda")))
"""


def call(tree: Path, *command: object, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a script or program of a checkout; what it prints."""
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, cwd=cwd or tree, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if done.returncode:
        sys.exit(f"{tree}: {' '.join(words)[:300]}\n{done.stderr[-2000:]}")
    return done.stdout


def make(tree: Path, place: Path, source: Path, samples: Path, protocol: str) -> None:
    """All that is compared, from the input in `source` and `samples`."""
    scripts = tree / "scripts"
    out = ("--out", "problems.parquet", "--quarantine", "quarantine.parquet", "--funnel", "funnel.json")
    call(tree, scripts / "clean_problems.py", "--dataset", source / "problems.parquet", *out, cwd=place)
    named = [word for name in BENCHMARKS for word in ("--benchmark", f"{name}={source / name}.jsonl")]
    out = ("--clean", "clean.parquet", "--matches", "matches.parquet", "--summary", "contamination.json")
    call(tree, scripts / "decontaminate.py", "--problems", "problems.parquet", *named, "--methods", "exact,ngram,fuzzy", *out, cwd=place)
    for model in ("base", "grpo"):
        for name in BENCHMARKS:
            found = next(path for path in samples.glob(f"{model}_{name}.jsonl*"))
            result = place / f"results/{model}/{protocol}/eval/{name}.json"
            result.parent.mkdir(parents=True, exist_ok=True)
            more = ("--matches", "matches.parquet", "--model", model, "--protocol", protocol, "--out", result)
            call(tree, scripts / "grade_samples.py", "--samples", found, "--benchmark", source / f"{name}.jsonl", *more, cwd=place)
    chosen = ("--models", "base", "grpo", "--protocols", protocol, "--benchmarks", *BENCHMARKS)
    call(tree, scripts / "tabulate_scores.py", "--results", "results", *chosen, "--out", "scores", cwd=place)
    environment = json.loads(call(tree, "-c", ENVIRONMENT))
    path = {"PYTHONPATH": str(scripts)}
    resolved = call(tree, "-c", CONFIG, environment={**environment, **path}).split("RESOLVED")[1]
    (place / "verl_config.json").write_text(resolved.replace(str(tree), "CHECKOUT"))


def plain(path: Path) -> bytes | str:
    """Contents to compare: JSON without provenance and text with the new words, other files as they are."""
    if path.suffix == ".parquet":
        return path.read_bytes()
    text = path.read_text()
    for old, new in WORDS:
        text = text.replace(old, new)
    if path.suffix == ".json":
        content = json.loads(text)
        content.pop("provenance", None)
        text = json.dumps(content, sort_keys=True, indent=1)  # a renamed key stands elsewhere
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="checkout")
    parser.add_argument("new", type=Path, help="checkout")
    parser.add_argument("work", type=Path, help="folder for what is made; removed first")
    parser.add_argument("--demo", type=Path, help="directory of a finished demo of the old checkout")
    given = parser.parse_args()
    work = given.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    samples = work / "samples"
    for folder in (samples, work / "old", work / "new"):
        folder.mkdir(parents=True)
    old, new = given.old.resolve(), given.new.resolve()
    source = work / "demo"
    call(old, old / "scripts/make_demo_problems.py", *DEMO, "--out", source, cwd=work)
    if given.demo:
        for path in given.demo.resolve().glob("results/*/*/samples/*.jsonl.zst"):
            shutil.copy2(path, samples / f"{path.parts[-4]}_{path.name}")
    else:
        call(old, "-c", RESPONSES, source, samples)
    for tree, name in ((old, "old"), (new, "new")):
        make(tree, work / name, source, samples, "finalist")
    made = sorted(path.relative_to(work / "old") for path in (work / "old").rglob("*") if path.is_file())
    compared = [path for path in made if path.suffix in (".parquet", ".json", ".csv", ".md")]
    differing = 0
    for path in compared:
        left, right = (plain(work / name / path) for name in ("old", "new"))
        print(f"{'equal' if left == right else 'DIFFERENT'}  {path}  ({len(left)})")
        if left != right:
            differing += 1
            if isinstance(left, str):
                lines = difflib.unified_diff(left.splitlines(), right.splitlines(), "old", "new", n=1, lineterm="")
                print("\n".join(list(lines)[:40]))
    print(f"{len(compared) - differing} of {len(compared)} files are equal")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
