"""How varied proposals are, and how hard: numbers for the study report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.augmentation.records import Difficulty, Diversity, MeanOf
from mathrl.statistics.intervals import mean_interval
from mathrl.text.normalize import tokens, words

if TYPE_CHECKING:
    import polars as pl

SIZES = (1, 2, 3)  # words of an n-gram


def distinct(texts: Sequence[str], size: int) -> float | None:
    """Distinct n-grams over all n-grams; None where there is none."""
    seen: set[tuple[str, ...]] = set()
    count = 0
    for text in texts:
        said = words(tokens(text))
        grams = list(zip(*(said[start:] for start in range(size)), strict=False))
        seen.update(grams)
        count += len(grams)
    return round(len(seen) / count, 4) if count else None


def measured(texts: Sequence[str], sources: Sequence[str], embedding: Path | None) -> Diversity:
    """Distinct n-grams of proposals and of their sources (each as often as it was varied), and how far each lies from its source."""
    found: Diversity = {
        "n": len(texts),
        "distinct": {str(size): {"proposals": distinct(texts, size), "sources": distinct(sources, size)} for size in SIZES},
        "distance": None,
    }
    if embedding and texts:
        found["distance"] = _interval(_distances(texts, sources, embedding))
    return found


def _distances(texts: Sequence[str], sources: Sequence[str], model: Path) -> list[float]:
    """1 − cosine of the embeddings of each text and its source."""
    import numpy as np

    from mathrl.decontamination.embedding import Embedder

    both = np.concatenate([vectors for _, vectors in Embedder(model, dtype="float32").embed([*texts, *sources])]).astype(np.float64)
    cosine = (both[: len(texts)] * both[len(texts) :]).sum(axis=1)
    return np.clip(1 - cosine, 0, 1).tolist()


def difficulty(rates: Mapping[str, float], passed: pl.DataFrame) -> Difficulty:
    """The base model's solve rate on the sources and on what came of them, with 95 % intervals."""
    before = [rates[name] for name in passed["source_id"].unique(maintain_order=True) if name in rates]
    after = [rates[name] for name in passed["id"] if name in rates]
    return {"before": _interval(before), "after": _interval(after)}


def _interval(values: Sequence[float]) -> MeanOf | None:
    if not values:
        return None
    low, high = mean_interval(values)
    return {"mean": round(sum(values) / len(values), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": len(values)}
