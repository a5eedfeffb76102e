"""The methods of decontamination and their thresholds."""

from __future__ import annotations

import argparse
from dataclasses import Field, asdict, dataclass, fields
from pathlib import Path

from mathrl.config.search_methods import WITH_A_MODEL

TOKENS = ("exact", "ngram", "fuzzy")  # need no model
METHODS = (*TOKENS, *WITH_A_MODEL)
FLAGGING = ("reworded",)  # their matches flag items; rows are removed by them only where `remove` names them


@dataclass(frozen=True)
class Rules:
    """When a pair is the same problem (`compare`); `mathrl.config.sources.Rules` says what each threshold means."""

    same_length: float = 0.75
    short: int = 12
    few_words: int = 3
    few_numbers: int = 6
    exchanged_words: int = 2
    named_numbers: int = 2
    part: int = 8
    sentence: int = 3
    formula: int = 8
    same_formula: float = 0.5
    formula_order: float = 0.9
    same_places: float = 0.6
    same_drawing: float = 0.8
    same_wording: float = 0.6
    misspelt: float = 0.5
    common_words: float = 0.4
    letters: float = 0.5


@dataclass(frozen=True)
class Candidates:
    """Which pairs are looked at (`search`); `mathrl.config.sources.Candidates` says what each threshold means."""

    rare_items: int = 5
    rare_share: float = 0.2
    few_pairs: int = 4
    word_overlap: float = 0.55
    word_count: float = 0.5
    question_bytes: int = 120
    shortest: int = 2
    least_ngrams: int = 3


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
    rules: Rules = Rules()
    candidates: Candidates = Candidates()
    embedding_model: Path | None = None
    embedding_cache: Path | None = None
    workers: int = 2

    def thresholds(self) -> dict[str, object]:
        """Everything that decides what is a match, for the provenance."""
        places = ("embedding_model", "embedding_cache", "workers")
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items() if key not in places}


PARTS = {"rules": Rules, "candidates": Candidates}
_NO_THRESHOLDS = ("methods", "remove", "embedding_model", "embedding_cache", "workers", *PARTS)


def _options() -> list[tuple[str, str, Field]]:
    """Each threshold with the part that it is in (empty for those of the methods) and the name of its argument."""
    plain = [("", entry.name, entry) for entry in fields(Settings) if entry.name not in _NO_THRESHOLDS]
    return plain + [(part, f"{part}_{entry.name}", entry) for part, kind in PARTS.items() for entry in fields(kind)]


def add_thresholds(parser: argparse.ArgumentParser) -> None:
    """An option for each threshold, as the section `decontamination` of the configuration has them."""
    group = parser.add_argument_group("thresholds", "docs/reference/configuration.md says what each means")
    for _, name, entry in _options():
        group.add_argument(
            f"--{name.replace('_', '-')}", type=type(entry.default), default=entry.default, help=f"(default {entry.default})"
        )


def settings_of_thresholds(args: argparse.Namespace, **more: object) -> Settings:
    """The settings with the arguments that `add_thresholds` made."""
    given: dict[str, dict[str, object]] = {"": {}, **{part: {} for part in PARTS}}
    for part, name, entry in _options():
        given[part][entry.name] = getattr(args, name)
    return Settings(**given[""], **{part: kind(**given[part]) for part, kind in PARTS.items()}, **more)  # type: ignore[arg-type]
