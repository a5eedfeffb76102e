"""Problems from a generator of reasoning-gym: by name, parameters, seed and size the same ones always.

Our grader judges the answers where the generator has one right answer and no judge of its own; else its own judge does, the
protocol `reasoning-gym`, in reward, filter and evaluation alike.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import JsonObject, UserError, read_json, write_jsonl
from mathrl.data.downloads import GENERATED, Pin
from mathrl.data.records import GeneratedItem
from mathrl.grading import grade
from mathrl.judges import protocols

FILE = "problems.jsonl"


def seed_of(exports: Sequence[Path]) -> int:
    """A seed that nobody knows before all models of the study are there: a hash over the weights of its exports."""
    hashes = sorted(_weights(path) for path in exports)
    if not hashes:
        raise UserError("a benchmark with the seed `exports` needs the exports of the study's runs: --exports, or select a run")
    return int(hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:8], 16)


def _weights(export: Path) -> str:
    value = read_json(export)
    found = value.get("model_sha256") if isinstance(value, dict) else None
    if not isinstance(found, str) or not found:
        raise UserError(f"{export}: is no export.json of a model: it lacks the text 'model_sha256'; --exports names those of the study")
    return found


def write(pin: Pin, seed: int, folder: Path) -> None:
    """Write the problems of a pin as JSON lines into `folder`."""
    write_jsonl(folder / FILE, list(rows(pin, seed)))


def rows(pin: Pin, seed: int) -> Iterator[GeneratedItem]:
    """`id, problem, answer, generator` of each problem.

    Raises:
        UserError: there is no such generator or parameter, or it makes problems whose own answer its judge does not call right.
    """
    name, parameters = pin.origin.id, dict(_parameter(part) for part in pin.files)
    made = _made(name, parameters, seed, pin.rows or 0)
    golds = ["" if entry["answer"] is None else str(entry["answer"]) for entry in made]
    lost = [place for place, gold in enumerate(golds) if not gold.strip()]
    if not lost and not _ours_fits(name, golds):
        golds = [
            protocols.gold_text(
                GENERATED, gold, generator=name, parameters=parameters, question=entry["question"], metadata=entry["metadata"]
            )
            for gold, entry in zip(golds, made, strict=True)
        ]
    lost = lost or [place for place, gold in enumerate(golds) if not grade(f"\\boxed{{{protocols.shown(gold)}}}", gold).correct]
    if lost:
        raise UserError(
            f"{pin.name}: {len(lost)} of {len(made)} problems of the generator '{name}' have no answer that a judge calls right (the first "
            f"is {lost[0]}: {str(made[lost[0]]['answer'])[:60]!r}); choose another generator or other parameters"
        )
    for place, (gold, entry) in enumerate(zip(golds, made, strict=True)):
        yield {"id": f"{name}-{seed}-{place}", "problem": entry["question"], "answer": gold, "generator": name, "source": GENERATED}


def _parameter(part: str) -> tuple[str, Any]:
    name, _, text = part.partition("=")
    try:
        return name, ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return name, text


def _made(name: str, parameters: dict[str, object], seed: int, size: int) -> list[JsonObject]:
    """The generator's entries, as JSON gives them back: what its judge will get."""
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise UserError(f"source {GENERATED}: the package reasoning-gym is not installed ({error}); make the environment anew") from None
    if name not in DATASETS:
        raise UserError(f"source {GENERATED}: there is no generator '{name}'; there are: {', '.join(sorted(DATASETS))}")
    try:
        entries = reasoning_gym.create_dataset(name, seed=seed, size=size, **parameters)
        return [json.loads(json.dumps(entries[place], default=str)) for place in range(size)]
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"source {GENERATED}: the generator '{name}' refuses {parameters}: {' '.join(str(error).split())[:200]}") from None


def _ours_fits(name: str, golds: Sequence[str]) -> bool:
    from reasoning_gym.dataset import ProceduralDataset
    from reasoning_gym.factory import DATASETS

    from mathrl.data.answers import no_answer

    if all(re.fullmatch(r"-?\d+", gold) for gold in golds):  # one number is right, whatever judges it
        return True
    if DATASETS[name][0].score_answer is not ProceduralDataset.score_answer:
        return False
    return all(no_answer(gold) is None and grade(f"\\boxed{{{gold}}}", gold).correct for gold in set(golds))
