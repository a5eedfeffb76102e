"""Samples with their problem, verdict and step scores, cell by cell of the score table: for the page that shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import scorers, settings
from mathrl.core.files import UserError, read_json, read_jsonl
from mathrl.data.benchmarks import read_benchmark
from mathrl.evaluation.metrics import STATUS_LETTERS
from mathrl.evaluation.records import Asked, Place, StepRow
from mathrl.evaluation.verified import Verdicts, read_scores, verdicts
from mathrl.statistics.records import Scored

RIGHT = STATUS_LETTERS["equal"]


def gather(
    results: Path, models: Sequence[str], protocols: Sequence[str], benchmarks: Mapping[str, Path], section: Verifiers
) -> Iterator[tuple[list[StepRow], dict[str, Verdicts]]]:
    """Per model, protocol and benchmark the sampled responses with their step scores, and the verifiers in use.

    Raises:
        UserError: no verifier is in use, or a file is missing.
    """
    if not section.use:
        raise UserError("config: verifiers.use: is empty; name the verifiers whose scores are to be shown")
    known = settings(section)
    for model in models:
        for protocol in protocols:
            for benchmark, path in benchmarks.items():
                folder = results / model / protocol
                scored = {
                    name: read_scores(read_jsonl(folder / "steps" / name / f"{benchmark}.jsonl.zst", ("id", "sample", "scores")))
                    for name in scorers(section)
                }
                found = {one.name: one for one in verdicts(known, section.use, scored)}
                items = read_benchmark(path)
                right = _verdicts(read_json(folder / "eval" / f"{benchmark}.json"))
                rows: list[StepRow] = []
                for row in read_jsonl(folder / "samples" / f"{benchmark}.jsonl.zst", ("id", "sample", "response")):
                    key = (str(row["id"]), row["sample"])
                    if key not in right:
                        continue  # the greedy one
                    item = items[key[0]]
                    scores = {name: one.scores[key] for name, one in found.items()}
                    where: Place = {"model": model, "protocol": protocol, "benchmark": benchmark, "id": key[0], "sample": key[1]}
                    text: Asked = {"problem": item["problem"], "answer": item["answer"], "response": row["response"]}
                    rows.append({**where, **text, "correct": right[key], "scores": scores})
                yield rows, found


def _verdicts(result: Scored) -> dict[tuple[str, int], bool]:
    """Whether each sampled response is right, from the letters of an eval JSON."""
    table = result["per_problem"]
    return {
        (str(key), number): letter == RIGHT
        for key, letters in zip(table["id"], table["verdicts"], strict=True)
        for number, letter in enumerate(letters)
    }
