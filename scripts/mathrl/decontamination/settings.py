"""The methods of decontamination and their thresholds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

TOKENS = ("exact", "ngram", "fuzzy")  # need no model
METHODS = (*TOKENS, "semantic", "reworded")
FLAGGING = ("reworded",)  # their matches flag items; rows are removed by them only where `remove` names them


@dataclass(frozen=True)
class Settings:
    """What counts as a match. Sizes in words, the rest are shares or similarities from 0 to 1."""

    methods: tuple[str, ...] = TOKENS
    # methods whose confirmed matches are removed; `similar`: semantic ones without confirmation
    remove: tuple[str, ...] = (*TOKENS, "semantic")
    ngram_size: int = 8
    ngram_coverage: float = 0.5  # of an item's n-grams that are no boilerplate
    fuzzy_similarity: float = 0.85  # of weighted tokens
    semantic_similarity: float = 0.85  # cosine
    semantic_words: float = 0.6  # similarity of tokens that confirms a semantic match
    reworded_similarity: float = 0.6  # cosine of a text that says the same in other words
    reworded_numbers: int = 2  # numbers of an item; with fewer, `semantic_similarity` is asked for
    boilerplate_rows: int = 5  # an n-gram in more different rows that are no copies of the item is boilerplate
    boilerplate_items: int = 2  # and so is one that more items have
    whole: float = 0.8  # so large a part of all n-grams is a match even where most of them are boilerplate
    replaced: float = 0.15  # of an item's content that a row may have replaced
    embedding_model: Path | None = None
    embedding_cache: Path | None = None
    workers: int = 2

    def thresholds(self) -> dict[str, object]:
        """Everything that decides what is a match, for the provenance."""
        places = ("embedding_model", "embedding_cache", "workers")
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items() if key not in places}
