"""Problems that mean the same: sentence embeddings, compared with every item.

Every row is embedded and searched in the fastest arithmetic of the machine; what comes near the asked similarity is embedded
again in float64, so that no verdict hangs on rounding, on batches, on the cache or on the device. No filter comes before: one by
common words lost one pair in forty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mathrl.decontamination.embedding import Embedder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

    from mathrl.decontamination.settings import Settings

MARGIN = 0.01  # of the cosine: bfloat16 is off by at most 0.002 where texts are alike, by 0.006 anywhere


class Similarity:
    """Cosines of rows and items: first near enough, then exact."""

    def __init__(self, items: list[str], settings: Settings, least: float) -> None:
        """`least`: the cosine from which on a pair is near."""
        assert settings.embedding_model is not None
        self.items, self.least = items, least
        self.fast = Embedder(settings.embedding_model, settings.embedding_cache)
        self.exact = Embedder(settings.embedding_model, settings.embedding_cache, "float64")
        self._vectors: np.ndarray | None = None

    def near(self, problems: pl.Series, label: str) -> tuple[np.ndarray, np.ndarray]:
        """`(rows, items)` that may be similar enough; each different text is embedded once."""
        if self._vectors is None:
            self._vectors = np.concatenate([vectors for _, vectors in self.fast.embed(self.items, "items")])
        rows_of: dict[str, list[int]] = {}
        for row, text in enumerate(problems):
            rows_of.setdefault(text, []).append(row)
        distinct = _by_length(rows_of)
        found, items = [], []
        for first, vectors in self.fast.embed(distinct, label):
            for place, item in np.argwhere(vectors @ self._vectors.T >= self.least - MARGIN):
                same = rows_of[distinct[first + place]]
                found += same
                items += [item] * len(same)
        return np.array(found, np.int64), np.array(items, np.int64)

    def scored(self, pairs: tuple[np.ndarray, ...], texts: Mapping[int, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(rows, items, cosine)` of those near pairs that are similar enough."""
        rows, items = pairs
        distinct = _by_length({texts[row] for row in rows.tolist()} | {self.items[item] for item in items.tolist()})
        place = {text: number for number, text in enumerate(distinct)}
        left = np.array([place[texts[row]] for row in rows.tolist()], np.int64)
        right = np.array([place[self.items[item]] for item in items.tolist()], np.int64)
        if not len(rows):
            return rows, items, np.zeros(0)
        vectors = np.concatenate([part for _, part in self.exact.embed(distinct, "near pairs")])
        cosine = np.concatenate([
            (vectors[left[first : first + 4096]] * vectors[right[first : first + 4096]]).sum(axis=1) for first in range(0, len(left), 4096)
        ])  # fmt: skip
        keep = cosine >= self.least
        return rows[keep], items[keep], cosine[keep]


def _by_length(texts: Iterable[str]) -> list[str]:
    """Windows of like lengths: less padding, and the same order always."""
    return sorted(texts, key=lambda text: (len(text), text))
