"""Problems that mean the same: sentence embeddings, compared with every item.

Embedding is what costs, so only rows are embedded that share at least a few words with some item; docs/data.md says how many of
the matches of a full pass that keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .embedding import Embedder

if TYPE_CHECKING:
    from .search import Index


def similar_pairs(candidates: tuple[np.ndarray, ...], texts: Mapping[int, str], index: Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(rows, items, cosine)` of all pairs at or above the asked similarity; each different text is embedded once."""
    settings = index.settings
    assert settings.embedding_model is not None
    embedder = Embedder(settings.embedding_model, settings.embedding_cache)
    items = np.concatenate([vectors for _, vectors in embedder.embed([text for _, _, text in index.items], "items")])
    rows_of: dict[str, list[int]] = {}
    for row in candidates[0].tolist():
        rows_of.setdefault(texts[row], []).append(row)
    distinct = sorted(rows_of, key=lambda text: (len(text), text))  # windows of like lengths: less padding, the same order always
    rows, found, scores = [], [], []
    for first, vectors in embedder.embed(distinct, "problems"):
        cosine = vectors @ items.T
        for place, item in np.argwhere(cosine >= settings.semantic_similarity):
            for row in rows_of[distinct[first + place]]:
                rows.append(row)
                found.append(item)
                scores.append(float(cosine[place, item]))
    return np.array(rows, np.int64), np.array(found, np.int64), np.array(scores)
