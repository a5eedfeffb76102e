"""Problems that mean the same: sentence embeddings, compared with every item.

Every row is embedded and searched in the fastest arithmetic of the machine. Where a cosine is so near a threshold that rounding could
decide, both texts are embedded again in float64: no verdict hangs on rounding, on batches, on the cache or on the device. Other cosines
are given to two digits, the last of which may depend on those. No filter comes before: one by common words lost one pair in forty.
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
    """Cosines of rows and items: exact where a verdict hangs on it."""

    def __init__(self, items: list[str], settings: Settings, least: float, *bounds: float) -> None:
        """`least`: the cosine from which on a pair is near; `bounds`: others that verdicts hang on."""
        assert settings.embedding_model is not None
        self.items, self.least, self.bounds = items, least, np.array([least, *bounds])
        self.fast = Embedder(settings.embedding_model, settings.embedding_cache)
        self.exact = Embedder(settings.embedding_model, settings.embedding_cache, "float64")
        self._vectors: np.ndarray | None = None

    def near(self, problems: pl.Series, label: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(rows, items, cosine)` of what may be similar enough; each different text is embedded once."""
        if self._vectors is None:
            self._vectors = np.concatenate([vectors for _, vectors in self.fast.embed(self.items, "items")])
        rows_of: dict[str, list[int]] = {}
        for row, text in enumerate(problems):
            rows_of.setdefault(text, []).append(row)
        distinct = _by_length(rows_of)
        found, items, cosines = [], [], []
        for first, vectors in self.fast.embed(distinct, label):
            cosine = vectors @ self._vectors.T
            for place, item in np.argwhere(cosine >= self.least - MARGIN):
                same = rows_of[distinct[first + place]]
                found += same
                items += [item] * len(same)
                cosines += [cosine[place, item]] * len(same)
        return np.array(found, np.int64), np.array(items, np.int64), np.array(cosines, np.float64)

    def scored(self, pairs: tuple[np.ndarray, ...], texts: Mapping[int, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(rows, items, cosine)` of those near pairs that are similar enough."""
        rows, items, cosine = pairs
        unsure = (np.abs(cosine[:, None] - self.bounds) < MARGIN).any(axis=1)
        cosine = cosine.round(2)
        if unsure.any():
            some, others = [texts[row] for row in rows[unsure].tolist()], [self.items[item] for item in items[unsure].tolist()]
            cosine[unsure] = self._exact(some, others)
        keep = cosine >= self.least
        return rows[keep], items[keep], cosine[keep]

    def _exact(self, some: list[str], others: list[str]) -> np.ndarray:
        """Cosine of each text and the one in its place of `others`, in float64."""
        distinct = _by_length({*some, *others})
        place = {text: number for number, text in enumerate(distinct)}
        vectors = np.concatenate([part for _, part in self.exact.embed(distinct, "pairs at a threshold")])
        return np.array([vectors[place[one]] @ vectors[place[other]] for one, other in zip(some, others, strict=True)])


def _by_length(texts: Iterable[str]) -> list[str]:
    """Windows of like lengths: less padding, and the same order always."""
    return sorted(texts, key=lambda text: (len(text), text))
