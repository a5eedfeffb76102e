"""Find training problems that are benchmark problems: candidates by shared n-grams, verdicts by the rules of `compare`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..textnorm import exact_key, words, tokens
from .compare import Text, agrees, overlap, shared_run

if TYPE_CHECKING:
    import polars as pl

METHODS = ("exact", "ngram", "fuzzy", "semantic")


@dataclass(frozen=True)
class Settings:
    """What counts as a match. Sizes in words, the rest are shares or similarities from 0 to 1."""

    methods: tuple[str, ...] = ("exact", "ngram", "fuzzy")
    remove: tuple[str, ...] = METHODS  # methods whose confirmed matches are removed; `similar` adds semantic ones without confirmation
    ngram_size: int = 8
    ngram_coverage: float = 0.5
    fuzzy_similarity: float = 0.85
    semantic_similarity: float = 0.85
    embedding_model: Path | None = None
    workers: int = 2


def find_matches(problems: pl.DataFrame, benchmarks: Mapping[str, Sequence[dict[str, Any]]], settings: Settings) -> pl.DataFrame:
    """All matches of `problems` (columns `id`, `problem`) with the items of `benchmarks`, sorted; columns of matches.parquet."""
    import polars as pl

    items = [(name, str(item["id"]), item["problem"]) for name, rows in benchmarks.items() for item in rows]
    item_words = [words(tokens(text)) for _, _, text in items]
    n = settings.ngram_size
    keys: dict[str, list[int]] = defaultdict(list)
    grams: dict[tuple[str, ...], set[int]] = defaultdict(set)
    pairs: dict[tuple[str, ...], set[int]] = defaultdict(set)
    sizes = []
    raw = defaultdict(list)
    for number, (_, _, text) in enumerate(items):
        keys[exact_key(text)].append(number)
        raw[text].append(number)
        own = set(zip(*(item_words[number][k:] for k in range(n)), strict=False))
        sizes.append(len(own))
        for gram in own:
            grams[gram].add(number)
        for pair in set(zip(*(item_words[number][k:] for k in range(3)), strict=False)):
            pairs[pair].add(number)
    prepared: dict[int, Text] = {}
    found: list[dict[str, Any]] = []
    for identifier, text in problems.select("id", "problem").iter_rows():
        row_words = words(tokens(text))
        hits: dict[str, dict[int, float]] = {method: {} for method in METHODS}
        key = "".join(row_words)
        candidates: Counter[int] = Counter()
        for number in keys.get(key, ()) if key else ():
            hits["exact"][number] = 1.0
        for gram in set(zip(*(row_words[k:] for k in range(n)), strict=False)):
            for number in grams.get(gram, ()):
                hits["ngram"][number] = hits["ngram"].get(number, 0) + 1 / sizes[number]
        for pair in set(zip(*(row_words[k:] for k in range(3)), strict=False)):
            candidates.update(pairs.get(pair, ()))
        for number, count in candidates.items():
            if count >= 0.2 * max(len(item_words[number]) - 2, 1):
                hits["fuzzy"][number] = 0.0
        row = None
        for method in ("exact", "ngram", "fuzzy"):
            for number, score in hits[method].items():
                if method == "ngram" and score < settings.ngram_coverage:
                    continue
                row = row or Text.of(text)
                if number not in prepared:
                    prepared[number] = Text.of(items[number][2])
                item = prepared[number]
                if method == "fuzzy":
                    score = overlap(item, row)
                    if score < settings.fuzzy_similarity:
                        continue
                if not agrees(item, row):
                    continue
                if method in settings.methods:
                    found.append({
                        "problem_id": identifier, "benchmark": items[number][0], "item_id": items[number][1], "method": method,
                        "score": round(min(score, 1.0), 4), "evidence": shared_run(item.sequence, row.sequence),
                        "confirmed": True, "raw_equal": text == items[number][2], "removed": method in settings.remove,
                    })  # fmt: skip
    schema = {
        "problem_id": pl.String, "benchmark": pl.String, "item_id": pl.String, "method": pl.String, "score": pl.Float64,
        "evidence": pl.String, "confirmed": pl.Boolean, "raw_equal": pl.Boolean, "removed": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(found, schema=schema).sort("problem_id", "benchmark", "item_id", "method")
