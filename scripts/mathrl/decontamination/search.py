"""Find training problems that are benchmark problems.

Candidates come from arrays of token hashes, in one pass over the rows; verdicts from the rules of `compare`, on the few
candidate pairs. A verdict on a row depends on that row, on the item, and on how common the item's n-grams are among rows that
are no copies of it; never on the order of rows, their number, or how the work is split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tokenhash
from .compare import Pair, Text

if TYPE_CHECKING:
    import polars as pl

METHODS = ("exact", "ngram", "fuzzy", "semantic")
COMMON = 5  # an n-gram found in more different rows that are no copies of the item is boilerplate
COMMON_ITEMS = 2  # and so is one that more benchmark items have
WHOLE = 0.8  # so large a part of all n-grams is a match even where most of them are boilerplate
RARE = 5  # word pairs of at most so many items make candidates for the fuzzy method
SHARE = 0.2  # of an item's rare word pairs that a candidate has
EXCHANGED = 0.15  # of an item's content that a row may have replaced
OVERLAP = 0.55  # of the distinct words of a fuzzy candidate and the item (Dice); lower than any similarity that is asked for
LENGTHS = 0.5  # of a fuzzy candidate's words and the item's, the shorter over the longer


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
    workers: int = 2


@dataclass(frozen=True)
class Postings:
    """Which items hold which n-grams: sorted distinct `keys`; entry `k` of them is held by `items[starts[k]:starts[k + 1]]`."""

    keys: np.ndarray
    starts: np.ndarray
    items: np.ndarray
    sizes: np.ndarray  # distinct n-grams of each item
    marked: np.ndarray

    @classmethod
    def of(cls, tokens: tokenhash.Tokens, size: int, common: int | None = None) -> Postings:
        """The n-grams of benchmark items; those held by more than `common` items are left out."""
        keys, first = tokenhash.grams(tokens, size)
        pairs = np.unique(np.rec.fromarrays([keys, tokens.rows[first]], names="key,item"))
        keys, starts, counts = np.unique(pairs["key"], return_index=True, return_counts=True)
        items = pairs["item"].astype(np.int64)
        if common is not None:
            rare = counts <= common
            items = items[np.repeat(rare, counts)]
            keys, counts = keys[rare], counts[rare]
            starts = np.concatenate(([0], np.cumsum(counts)[:-1])) if len(counts) else counts
        sizes = np.bincount(items, minlength=tokens.count)
        bits = max(16, int(len(keys) * 32).bit_length())
        return cls(keys, np.append(starts, len(items)), items, sizes, tokenhash.member_filter(keys, min(bits, 24)))

    def hits(self, tokens: tokenhash.Tokens, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distinct `(row, item, key)` of the n-grams that rows and items share, as three arrays."""
        values, first = tokenhash.grams(tokens, size)
        where, which = tokenhash.find(values, self.keys, self.marked)
        seen = np.unique(tokens.rows[first[where]].astype(np.int64) * (len(self.keys) + 1) + which)
        rows, which = np.divmod(seen, len(self.keys) + 1)
        counts = self.starts[which + 1] - self.starts[which]
        offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        items = self.items[np.repeat(self.starts[which], counts) + offset]
        return np.repeat(rows, counts), items, np.repeat(which, counts)


class Vocabulary:
    """The distinct content words of the items, for counting what a row shares with an item without looking at either."""

    def __init__(self, content: tokenhash.Tokens) -> None:
        self.keys = np.unique(content.hashes)
        self.marked = tokenhash.member_filter(self.keys, 20)
        self.items, self.sizes = self._table(content, content.count)

    def _table(self, content: tokenhash.Tokens, count: int) -> tuple[Any, np.ndarray]:
        """Rows × words, 1 where a row has the word, and the number of distinct words of each row, known or not."""
        from scipy.sparse import csr_array

        pairs = np.unique(np.rec.fromarrays([content.rows, content.hashes], names="row,word"))
        rows = pairs["row"].astype(np.int64)
        where, which = tokenhash.find(np.ascontiguousarray(pairs["word"]), self.keys, self.marked)
        table = csr_array((np.ones(len(where), np.int32), (rows[where], which)), shape=(count, len(self.keys)))
        return table, np.bincount(rows, minlength=count)

    def overlap(self, content: tokenhash.Tokens, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Dice similarity of the distinct words of each pair of row and item."""
        if not len(rows):
            return np.zeros(0)
        asked, place = np.unique(rows, return_inverse=True)
        number = np.full(content.count, -1, np.int32)
        number[asked] = np.arange(len(asked))
        keep = number[content.rows] >= 0
        part = tokenhash.Tokens(content.hashes[keep], number[content.rows[keep]], content.numbers[keep], content.light[keep], len(asked))
        table, sizes = self._table(part, len(asked))
        shared = table[place].multiply(self.items[items]).sum(axis=1)
        return 2 * shared / (sizes[place] + self.sizes[items])


class Index:
    """The items of all benchmarks, prepared for the search."""

    def __init__(self, benchmarks: Mapping[str, Sequence[dict[str, Any]]], settings: Settings) -> None:
        import polars as pl

        self.settings = settings
        self.items = [(name, str(item["id"]), item["problem"]) for name, rows in benchmarks.items() for item in rows]
        tokens = tokenhash.tokenise(pl.Series([text for _, _, text in self.items], dtype=pl.String))
        self.keys = tokenhash.sequence_keys(tokens)
        self.lengths = np.diff(tokens.starts())
        self.ngrams = Postings.of(tokens, settings.ngram_size)
        content = tokens.content()
        self.content_lengths = np.diff(content.starts())
        self.vocabulary = Vocabulary(content)
        self.pairs = Postings.of(content, 2, RARE)
        self.texts: dict[int, Text] = {}

    def text(self, item: int) -> Text:
        if item not in self.texts:
            self.texts[item] = Text.of(self.items[item][2])
        return self.texts[item]


@dataclass
class Candidates:
    """Pairs to look at: rows (counted over the whole table) and items per method, with what the search found out already."""

    exact: tuple[np.ndarray, np.ndarray]
    ngram: tuple[np.ndarray, np.ndarray, np.ndarray]  # row, item, key
    fuzzy: tuple[np.ndarray, np.ndarray]
    row_keys: np.ndarray  # of all rows


def search(problems: pl.Series, index: Index) -> Candidates:
    """One pass over the rows."""
    empty = np.zeros(0, np.int64)
    exact, ngram, fuzzy, row_keys = [(empty,) * 2], [(empty,) * 3], [(empty,) * 2], [np.zeros(0, np.uint64)]
    order = np.argsort(index.keys, kind="stable")
    sorted_keys = index.keys[order]
    for first, tokens in tokenhash.in_chunks(problems, index.settings.workers):
        keys = tokenhash.sequence_keys(tokens)
        row_keys.append(keys)
        left = np.searchsorted(sorted_keys, keys, side="left")
        counts = np.searchsorted(sorted_keys, keys, side="right") - left
        rows = np.flatnonzero(counts)
        rows = rows[np.diff(tokens.starts())[rows] > 0]
        exact.extend((np.full(counts[row], row + first), order[left[row] : left[row] + counts[row]]) for row in rows)
        if "ngram" in index.settings.methods:
            rows, items, which = index.ngrams.hits(tokens, index.settings.ngram_size)
            ngram.append((rows + first, items, which))
        if "fuzzy" in index.settings.methods:
            content = tokens.content()
            rows, items, _ = index.pairs.hits(content, 2)
            pair, shared = np.unique(rows * len(index.items) + items, return_counts=True)
            rows, items = np.divmod(pair, len(index.items))
            ours, theirs = np.diff(content.starts())[rows], index.content_lengths[items]
            near = np.minimum(ours, theirs) >= LENGTHS * np.maximum(ours, theirs)
            near &= shared >= SHARE * index.pairs.sizes[items]
            rows, items = rows[near], items[near]
            near = index.vocabulary.overlap(content, rows, items) >= OVERLAP
            fuzzy.append((rows[near] + first, items[near]))
    join = lambda parts: tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))  # noqa: E731
    return Candidates(join(exact), join(ngram), join(fuzzy), np.concatenate(row_keys))


def covered(found: Candidates, index: Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(rows, items, coverage)` of the pairs whose shared n-grams cover enough of the item, boilerplate discounted.

    An n-gram of an item is boilerplate if more than `COMMON` different rows have it that are no copies of the item (they share
    less than the asked part of its n-grams). Rows that are equal after normalisation count once. A leak does not become
    boilerplate by being copied, however often, and rows without the n-gram have no say.
    """
    rows, items, which = found.ngram
    if not len(rows):
        return rows, items, np.zeros(0)
    width = len(index.items)
    pair, inverse, shared = np.unique(rows * width + items, return_inverse=True, return_counts=True)
    pair_rows, pair_items = np.divmod(pair, width)
    coverage = shared / index.ngrams.sizes[pair_items]
    stranger = coverage[inverse] < index.settings.ngram_coverage
    # Different strangers per (item, n-gram): rows with equal tokens are one.
    slot = which * width + items
    slots, slot_of = np.unique(slot, return_inverse=True)
    seen = np.unique(np.rec.fromarrays([slot_of[stranger], found.row_keys[rows[stranger]]], names="slot,key"))
    strangers = np.bincount(seen["slot"].astype(np.int64), minlength=len(slots))
    common = (strangers > COMMON) | (np.diff(index.ngrams.starts)[slots // width] > COMMON_ITEMS)
    boilerplate = np.bincount(slots[common] % width, minlength=width)
    informative = (index.ngrams.sizes - boilerplate)[pair_items]
    kept = np.bincount(inverse[~common[slot_of]], minlength=len(pair))
    discounted = np.divide(kept, informative, out=np.zeros(len(pair)), where=informative > 0)
    limit = index.settings.ngram_coverage
    match = ((discounted >= limit) & (kept >= np.minimum(3, index.ngrams.sizes[pair_items]))) | (coverage >= max(WHOLE, limit))
    score = np.where(discounted >= limit, discounted, coverage)
    return pair_rows[match], pair_items[match], score[match]


def whole(pair: Pair, settings: Settings) -> bool:
    """Is a row that shares n-grams the problem, or a part of it, or a text around it? (Not another question on the same story.)"""
    if pair.similarity >= settings.fuzzy_similarity:
        return True
    if pair.item.drawn and not pair.row.drawn:
        return False
    return pair.exchanged <= EXCHANGED


def find_matches(problems: pl.DataFrame, benchmarks: Mapping[str, Sequence[dict[str, Any]]], settings: Settings) -> pl.DataFrame:
    """All matches of `problems` (columns `id`, `problem`) with the items of `benchmarks`, sorted; columns of matches.parquet."""
    import polars as pl

    index = Index(benchmarks, settings)
    texts = problems["problem"]
    found = search(texts, index) if index.items else None
    matches: list[dict[str, Any]] = []
    if found is not None:
        scored: list[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]] = [("exact", *found.exact, np.ones(len(found.exact[0])))]
        scored.append(("ngram", *covered(found, index)))
        scored.append(("fuzzy", *found.fuzzy, None))
        prepared: dict[str, Text] = {}
        verdicts: dict[tuple[int, int], Pair] = {}
        for method, rows, items, scores in scored:
            if method not in settings.methods:
                continue
            for place, (row, item) in enumerate(zip(rows.tolist(), items.tolist(), strict=True)):
                pair = verdicts.get((row, item))
                if pair is None:
                    text = texts[row]
                    if text not in prepared:
                        prepared[text] = Text.of(text)
                    pair = verdicts[row, item] = Pair(index.text(item), prepared[text])
                score = pair.similarity if scores is None else float(scores[place])
                if scores is None and score < settings.fuzzy_similarity:
                    continue
                if not pair.agrees or (method == "ngram" and not whole(pair, settings)):
                    continue
                name, identifier, text = index.items[item]
                matches.append({
                    "problem_id": problems["id"][row], "benchmark": name, "item_id": identifier, "method": method,
                    "score": round(min(score, 1.0), 4), "evidence": " ".join(pair.run), "confirmed": True,
                    "raw_equal": texts[row] == text, "removed": method in settings.remove,
                })  # fmt: skip
    schema = {
        "problem_id": pl.String, "benchmark": pl.String, "item_id": pl.String, "method": pl.String, "score": pl.Float64,
        "evidence": pl.String, "confirmed": pl.Boolean, "raw_equal": pl.Boolean, "removed": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(matches, schema=schema).sort("problem_id", "benchmark", "item_id", "method")
