"""What a method of decontamination is, and those that compare meanings: `semantic`, `reworded`, and a user's own.

`exact`, `ngram` and `fuzzy` share one pass over hashed tokens and are part of `search`. Any other method is an object with the shape of
`Method`. A user's is named `module:Class`, a file below scripts/ or on PYTHONPATH; it is made from the items' texts and the settings.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mathrl.core.files import UserError
from mathrl.decontamination.compare import Pair

if TYPE_CHECKING:
    import polars as pl

    from mathrl.decontamination.settings import Settings

Pairs = tuple[np.ndarray, ...]  # numbers of rows, of items, and what else the method wants to know of each pair later


class Method(Protocol):
    """One way to say that a row is an item."""

    def near(self, problems: pl.Series, label: str) -> Pairs:
        """Pairs of rows (counted from the first of this part) and items that are worth a look."""
        ...

    def scored(self, pairs: Pairs, texts: Mapping[int, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of all near pairs those that match by their score: rows, items and scores. `texts` holds the rows' texts."""
        ...

    def confirms(self, pair: Pair, score: float) -> bool:
        """Is a scored pair the same problem? What is not is listed all the same, as unconfirmed, if `lists(pair)` says so."""
        ...

    def lists(self, pair: Pair) -> bool:
        """Is a scored pair worth listing at all?"""
        ...


class Semantic:
    """Sentence embeddings near each other, confirmed by the rules and by words in common."""

    def __init__(self, items: Sequence[str], settings: Settings, *least: float) -> None:
        """`least`: the cosine from which on a pair is near, if it is another than `semantic_similarity`, which counts then, too."""
        from mathrl.decontamination.semantic import Similarity

        self.settings = settings
        self.similarity = Similarity(list(items), settings, *least, settings.semantic_similarity)

    def near(self, problems: pl.Series, label: str) -> Pairs:
        return self.similarity.near(problems, label)

    def scored(self, pairs: Pairs, texts: Mapping[int, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.similarity.scored(pairs, texts)

    def confirms(self, pair: Pair, score: float) -> bool:
        return pair.agrees and (pair.part or pair.similarity >= self.settings.semantic_words)

    def lists(self, pair: Pair) -> bool:
        return True


class Reworded(Semantic):
    """What a paraphrase keeps: all numbers, no known opposite, and nearness of meaning.

    Embeddings cannot tell a rewording from one word exchanged (both lie at cosine 0.6 to 0.99), so a match *flags* the item: it leaves
    the clean subset and is listed. It removes the row only where `remove` names `reworded`.
    """

    def __init__(self, items: Sequence[str], settings: Settings) -> None:
        super().__init__(items, settings, settings.reworded_similarity)
        from mathrl.decontamination.texts import Text

        self.items = items
        self.numbers = [Text.of(text).numbers for text in items]

    def near(self, problems: pl.Series, label: str) -> Pairs:
        """Of the near pairs those that have the same numbers: the rest would cost a comparison each."""
        from mathrl.decontamination.texts import Text

        rows, items, cosine = self.similarity.near(problems, label)
        known: dict[int, Counter[str]] = {}
        keep = np.zeros(len(rows), bool)
        for place, (row, item) in enumerate(zip(rows.tolist(), items.tolist(), strict=True)):
            if row not in known:
                known[row] = Text.of(problems[row]).numbers
            ours, theirs = known[row], self.numbers[item]
            keep[place] = abs(ours.total() - theirs.total()) <= 1 and (ours <= theirs or theirs <= ours)
        return rows[keep], items[keep], cosine[keep]

    def confirms(self, pair: Pair, score: float) -> bool:
        """Texts with few numbers are near one another by chance: they need more."""
        enough = pair.item.numbers.total() >= self.settings.reworded_numbers
        return pair.keeps_meaning and (enough or score >= self.settings.semantic_similarity)

    def lists(self, pair: Pair) -> bool:
        return False


OWN = {"semantic": Semantic, "reworded": Reworded}


def make(name: str, items: Sequence[str], settings: Settings) -> Method:
    """The method with this name; `UserError` for a `module:Class` that is not there."""
    if name in OWN:
        return OWN[name](items, settings)
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)(items, settings)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"--methods {name}: cannot be imported ({error}); put {module}.py below scripts/ with a class {attribute}"
        ) from None
