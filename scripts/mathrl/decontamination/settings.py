"""The methods of decontamination and their thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


METHODS = ("exact", "ngram", "fuzzy", "semantic")


@dataclass(frozen=True)
class Settings:
    """What counts as a match. Sizes in words, the rest are shares or similarities from 0 to 1."""

    methods: tuple[str, ...] = ("exact", "ngram", "fuzzy")
    remove: tuple[str, ...] = METHODS  # methods whose confirmed matches are removed; `similar`: semantic ones without confirmation
    ngram_size: int = 8
    ngram_coverage: float = 0.5
    fuzzy_similarity: float = 0.85
    semantic_similarity: float = 0.85
    embedding_model: Path | None = None
    embedding_cache: Path | None = None
    workers: int = 2
