"""Samples for the page: of every sample its verdict, length and flags; of as many as fit their text, the rare kinds first.

A page of 15 MB cannot hold 45,376 responses of each model. It holds what filters need of all of them, and the texts of a choice
that is stratified by verdict: no kind of response is left out because it is rare.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, read_jsonl
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.records import Item
from mathrl.grading import extract_boxed
from mathrl.report.changes import changed_problems, kinds
from mathrl.report.charts import thousands
from mathrl.report.damaged import Files
from mathrl.report.formulas import Formulas
from mathrl.report.records import PackedSamples, SampleExample, SampleSet, Side, Study
from mathrl.statistics.records import Scored
from mathrl.verifiers.equalities import check_equalities

TEXT_BUDGET = 8_000_000  # bytes of packed responses in the page
PROBLEM_CHARACTERS = 4000
HEAD, TAIL = 4000, 2000  # characters of a longer response that are shown, of its beginning and its end
LONGEST = 8  # the longest responses of a set are always there
EXAMPLES = 4  # of each kind, for a reader without JavaScript
CUT, FALSE_EQUALITY = 1, 2  # bits of a sample's flags


@dataclass(frozen=True)
class Sample:
    """One response: `position` of its problem in the benchmark, `number` of the sample (−1: greedy), its verdict's letter."""

    position: int
    number: int
    letter: str
    flags: int
    tokens: int
    text: str

    @property
    def stratum(self) -> str:
        """Verdict, cut off or not, with a false equality or without."""
        return f"{self.letter}{self.flags}"


def pack(value: Any) -> str:
    """A JSON value as base64 of gzip: nothing in it can be read as markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return base64.b64encode(gzip.compress(text, 9, mtime=0)).decode()


def shown_text(text: str) -> str:
    """A response as the page holds it: of a very long one the beginning and the end, and how much lies between them."""
    left_out = len(text) - HEAD - TAIL
    return text if left_out <= 0 else f"{text[:HEAD]}\n[… {thousands(left_out)} characters are left out in this page …]\n{text[-TAIL:]}"


def read_set(path: Path, result: Scored, positions: Mapping[str, int]) -> list[Sample]:
    """All samples of a model, protocol and benchmark, with the verdicts of their eval JSON."""
    columns = result["per_problem"]
    verdicts = dict(zip(columns["id"], columns["verdicts"], strict=True))
    greedy = dict(zip(columns["id"], columns["greedy"], strict=True))
    samples = []
    for row in read_jsonl(path, ("id", "sample", "response")):
        key, number, text = str(row["id"]), int(row["sample"]), str(row["response"])
        if key not in positions or key not in verdicts:
            continue
        if number < 0:
            letter = "1" if greedy.get(key) else ("b" if extract_boxed(text) is None else "0")
        else:
            letter = verdicts[key][number] if number < len(verdicts[key]) else "e"
        wrong = "=" in text and check_equalities(text).wrong_step is not None
        flags = (CUT if row.get("finish_reason") == "length" else 0) | (FALSE_EQUALITY if wrong else 0)
        samples.append(Sample(positions[key], number, letter, flags, int(row.get("tokens") or 0), text))
    return samples


def _read_set(path: Path, result: Scored, positions: Mapping[str, int], partial: bool) -> list[Sample] | None:
    """The samples of a file, or None where there is none (yet)."""
    try:
        return read_set(path, result, positions) if path.is_file() else None
    except UserError:
        if not partial:
            raise
        return None


def index(samples: Iterable[Sample]) -> list[list[Any]]:
    """What filters need: per problem [position, letters, flags, tokens], one letter and digit per sample, the greedy one first.

    The first letter is `-` where there is no greedy response.
    """
    by_problem: dict[int, list[Sample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.position, []).append(sample)
    rows = []
    for position, found in sorted(by_problem.items()):
        found.sort(key=lambda sample: sample.number)
        none = [] if found[0].number < 0 else [Sample(position, -1, "-", 0, 0, "")]
        every = none + found
        letters, flags = "".join(s.letter for s in every), "".join(str(s.flags) for s in every)
        rows.append([position, letters, flags, [s.tokens for s in every]])
    return rows


def in_order(samples: Sequence[Sample], changed: frozenset[int]) -> list[Sample]:
    """Samples in the order in which they enter the page: the longest, then strata in turn.

    Within a stratum every problem has one sample before any has two, those that a run fixed or broke first, the others spread evenly.
    """
    longest = sorted(samples, key=lambda s: -s.tokens)[:LONGEST]
    strata: dict[str, list[tuple[int, bool, float, Sample]]] = {}
    seen: dict[tuple[str, int], int] = {}
    for sample in samples:
        turn = seen[sample.stratum, sample.position] = seen.get((sample.stratum, sample.position), -1) + 1
        place = (turn, sample.position not in changed, sample.position * 0.6180339887 % 1, sample)  # the golden ratio spreads
        strata.setdefault(sample.stratum, []).append(place)
    queues = [[entry[3] for entry in sorted(strata[name], key=lambda entry: entry[:3])] for name in sorted(strata)]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return list(dict.fromkeys([*longest, *(sample for sample in turns if sample)]))


def _rows(samples: Iterable[Sample]) -> list[list[Any]]:
    return [[s.position, s.number, shown_text(s.text)] for s in samples]


def fitting(ordered: Sequence[Sample], budget: float) -> tuple[Sequence[Sample], str]:
    """The first samples whose packed texts fit into `budget` bytes, and those texts packed."""
    some = ordered[:: max(1, len(ordered) // 100)][:100]
    size = sum(len(shown_text(s.text)) + 20 for s in some)
    most = budget * size / max(1, len(pack(_rows(some)))) if size else 0
    sums = itertools.accumulate(min(len(s.text), HEAD + TAIL) + 20 for s in ordered)
    taken = ordered[: sum(1 for total in sums if total <= most)]
    data = pack(_rows(taken))
    while taken and len(data) > budget:
        taken = taken[: int(0.95 * len(taken) * budget / len(data))]
        data = pack(_rows(taken))
    return taken, data


def _sets(study: Study, results: Path) -> Iterator[tuple[str, str, str, Path]]:
    """(model, protocol, benchmark, file of samples), small benchmarks first: what they leave is the large ones'."""
    found = [(r["n_problems"] * max(1, r.get("n_samples", 1)), key) for key, r in study["evals"].items()]
    for _, (model, protocol, benchmark) in sorted(found, key=lambda entry: entry[0]):
        if benchmark in study["benchmarks"]:
            yield model, protocol, benchmark, results / model / protocol / "samples" / f"{benchmark}.jsonl.zst"


def gather_samples(results: Path, benchmark_dir: Path, study: Study, files: Files) -> PackedSamples:
    """Packed problems, indexes, texts and formulas for the page.

    {"problems": {benchmark: packed}, "sets": [{model, protocol, benchmark, path, all, texts, index, data}], "formulas": packed,
    "pattern": …, "examples": problems that the page shows without its script}.
    """
    budget, formulas = float(TEXT_BUDGET), Formulas()
    wanted = list(_sets(study, results))
    names = [name for name in study["benchmarks"] if (benchmark_dir / f"{name}.jsonl").is_file()]
    rows = {name: items for name in names if (items := files.read(None, read_benchmark, benchmark_dir / f"{name}.jsonl"))}
    problems = {}
    for name, items in rows.items():
        texts = [shown_text(item["problem"][:PROBLEM_CHARACTERS]) for item in items.values()]
        formulas.note(texts)
        formulas.note_answers(item["answer"] for item in items.values())
        domains = [domain if isinstance(domain := item.get("domain") or [], list) else [domain] for item in items.values()]
        problems[name] = pack([list(items), texts, [item["answer"] for item in items.values()], domains])
    sets: list[SampleSet] = []
    kept: dict[tuple[str, str, int], list[Sample]] = {}
    for place, (model, protocol, benchmark, path) in enumerate(wanted):
        positions = {key: position for position, key in enumerate(rows.get(benchmark, {}))}
        samples = _read_set(path, study["evals"][model, protocol, benchmark], positions, files.partial)
        if samples is None:
            what = f"samples of {model} on {benchmark} ({protocol})"
            files.missing.append({"what": what, "path": str(path), "make": f"snakemake --cores all {path}"})
            continue
        changed = frozenset(positions[key] for key in changed_problems(study, protocol, benchmark) if key in positions)
        taken, data = fitting(in_order(samples, changed), budget / (len(wanted) - place))
        budget -= len(data)
        formulas.note(shown_text(sample.text) for sample in taken)
        if protocol == study["primary"]:
            for sample in taken:
                kept.setdefault((model, benchmark, sample.position), []).append(sample)
        sets.append(
            {
                "model": model,
                "protocol": protocol,
                "benchmark": benchmark,
                "path": str(path),
                "all": len(samples),
                "texts": len(taken),
                "index": pack(index(samples)),
                "data": data,
            }
        )
    order = {name: at for at, name in enumerate(study["benchmarks"])}
    models = {name: at for at, (name, *_) in enumerate(study["evals"])}
    sets.sort(key=lambda s: (models[s["model"]], study["protocols"].index(s["protocol"]), order[s["benchmark"]]))
    examples = _examples(study, rows, kept)
    return {"problems": problems, "sets": sets, "examples": examples, "formulas": pack(formulas.table()), "pattern": formulas.pattern}


def _examples(
    study: Study, items: Mapping[str, Mapping[str, Item]], kept: Mapping[tuple[str, str, int], Sequence[Sample]]
) -> list[SampleExample]:
    """Problems that the last run broke, then fixed, against base: with the response of each that shows it."""
    last = study["models"][-1]
    found: list[SampleExample] = []
    for benchmark, rows in items.items():
        before, after = (study["evals"].get((model, study["primary"], benchmark)) for model in ("base", last))
        what = kinds(before, after) if last != "base" and before and after else {}
        for position, (key, item) in enumerate(rows.items()):
            if what.get(key) not in ("broken", "fixed"):
                continue
            sides: list[Side] = []
            for model, right in (("base", what[key] == "broken"), (last, what[key] == "fixed")):
                those = [s for s in kept.get((model, benchmark, position), ()) if (s.letter == "1") == right]
                if those:
                    sample = those[0]
                    sides.append({"model": model, "right": right, "tokens": sample.tokens, "text": shown_text(sample.text)})
            if len(sides) == 2:
                told: SampleExample = {
                    "benchmark": benchmark,
                    "id": key,
                    "kind": what[key],
                    "problem": shown_text(item["problem"]),
                    "answer": item["answer"],
                    "sides": sides,
                }
                found.append(told)
    chosen = [[entry for entry in found if entry["kind"] == name][:EXAMPLES] for name in ("broken", "fixed")]
    return chosen[0] + chosen[1]
