"""Find training problems that are benchmark problems.

Candidates come from arrays of token hashes, in one pass over the rows; verdicts from the rules of `compare`, on the few
candidate pairs. A verdict on a row depends on that row, on the item, and on how common the item's n-grams are among rows that
are no copies of it; never on the order of rows, their number, or how the work is split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mathrl.decontamination import normalize_pair
from mathrl.decontamination.compare import Pair, other_problem
from mathrl.decontamination.records import Match, Searched
from mathrl.decontamination.texts import Text
from mathrl.text import token_hashes

if TYPE_CHECKING:
    import polars as pl

from mathrl.decontamination.methods import Pairs, make
from mathrl.decontamination.settings import TOKENS, Settings

STEP = 20_000  # n-grams of rows that are expanded at a time


@dataclass(frozen=True)
class Postings:
    """Which items hold which n-grams: sorted distinct `keys`; entry `k` of them is held by `items[starts[k]:starts[k + 1]]`."""

    keys: np.ndarray
    starts: np.ndarray
    items: np.ndarray
    sizes: np.ndarray  # distinct n-grams of each item
    marked: np.ndarray

    @classmethod
    def of(cls, tokens: token_hashes.Tokens, size: int, common: int | None = None) -> Postings:
        """The n-grams of benchmark items; those held by more than `common` items are left out."""
        keys, first = token_hashes.grams(tokens, size)
        pairs = np.unique(np.rec.fromarrays([keys, tokens.rows[first]], names="key,item"))  # type: ignore[call-overload]  # its stubs want `formats` with names
        keys, starts, counts = np.unique(pairs["key"], return_index=True, return_counts=True)
        items = pairs["item"].astype(np.int64)
        if common is not None:
            rare = counts <= common
            items = items[np.repeat(rare, counts)]
            keys, counts = keys[rare], counts[rare]
            starts = np.concatenate(([0], np.cumsum(counts)[:-1])) if len(counts) else counts
        sizes = np.bincount(items, minlength=tokens.count)
        bits = max(16, int(len(keys) * 32).bit_length())
        return cls(keys, np.append(starts, len(items)), items, sizes, token_hashes.member_filter(keys, min(bits, 24)))

    def hits(self, tokens: token_hashes.Tokens, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distinct `(row, item, key)` of the n-grams that rows and items share, as three arrays."""
        return self.expand(*self.found(tokens, size))

    def found(self, tokens: token_hashes.Tokens, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Distinct `(row, key)` of the n-grams of rows that items have."""
        values, first = token_hashes.grams(tokens, size)
        where, which = token_hashes.find(values, self.keys, self.marked)
        seen = token_hashes.distinct(tokens.rows[first[where]].astype(np.int64) * (len(self.keys) + 1) + which)
        return np.divmod(seen, len(self.keys) + 1)

    def expand(self, rows: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(row, item, key)` from `(row, key)`: one entry per item that has the key."""
        counts = self.starts[which + 1] - self.starts[which]
        offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        items = self.items[np.repeat(self.starts[which], counts) + offset]
        return np.repeat(rows, counts), items, np.repeat(which, counts)

    def worthwhile(self, rows: np.ndarray, which: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of `expand` what can lead to a match: memory must not grow with an ending that many rows and many items share.

        An n-gram of more than `boilerplate_items` items counts only where a row has `whole` of an item. So it is looked
        at for items that are boilerplate for the most part, and for pairs that share enough of the item's other n-grams.
        """
        common = np.diff(self.starts)[which] > settings.boilerplate_items
        if not common.any():
            return self.expand(rows, which)
        found = [self.expand(rows[~common], which[~common])]
        width = len(self.sizes)
        pairs, shared = np.unique(found[0][0] * width + found[0][1], return_counts=True)
        need = max(settings.whole, settings.ngram_coverage)
        common_share = self.common_share(settings.boilerplate_items)
        near = pairs[shared >= (need - common_share[pairs % width]) * self.sizes[pairs % width] - 1e-9]
        boilerplate = common_share > need - 1e-9
        # Most rows are near no item: what only they hold is not expanded to all the items that hold it.
        of_some = np.zeros(len(self.keys), bool)
        of_some[np.repeat(np.arange(len(self.keys)), np.diff(self.starts))[boilerplate[self.items]]] = True
        common &= of_some[which] | _member(rows, token_hashes.distinct(near // width))
        rows, which = rows[common], which[common]
        for first in range(0, len(rows), STEP):
            row, item, key = self.expand(rows[first : first + STEP], which[first : first + STEP])
            keep = boilerplate[item] | np.isin(row * width + item, near)
            found.append((row[keep], item[keep], key[keep]))
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))  # type: ignore[return-value]

    def common_share(self, items: int) -> np.ndarray:
        """Share of each item's n-grams that more than `items` items have."""
        counts = np.diff(self.starts)
        many = np.repeat(counts > items, counts)
        return np.bincount(self.items[many], minlength=len(self.sizes)) / np.maximum(self.sizes, 1)


class Vocabulary:
    """The distinct content words of the items, for counting what a row shares with an item without looking at either."""

    def __init__(self, content: token_hashes.Tokens) -> None:
        self.keys = token_hashes.distinct(content.hashes)
        self.marked = token_hashes.member_filter(self.keys, 20)
        items, self.words, self.sizes = self._distinct(content)
        self.starts = np.searchsorted(items, np.arange(content.count + 1))

    def _distinct(self, content: token_hashes.Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(row, word)` without repetition, sorted, of the known words, and the number of distinct words of each row, known or not."""
        mixed = token_hashes.mix(content.rows.astype(np.uint64)) ^ content.hashes  # one number for row and word
        _, first = np.unique(mixed, return_index=True)
        rows, hashes = content.rows[first].astype(np.int64), content.hashes[first]
        where, which = token_hashes.find(hashes, self.keys, self.marked)
        pairs = np.sort(rows[where] * len(self.keys) + which)
        return *np.divmod(pairs, max(len(self.keys), 1)), np.bincount(rows, minlength=content.count)

    def overlap(self, content: token_hashes.Tokens, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Dice similarity of the distinct words of each pair of row and item."""
        asked, place = np.unique(rows, return_inverse=True)
        number = np.full(content.count, -1, np.int32)
        number[asked] = np.arange(len(asked))
        keep = number[content.rows] >= 0
        part = token_hashes.Tokens(content.hashes[keep], number[content.rows[keep]], content.numbers[keep], content.light[keep], len(asked))
        row, word, sizes = self._distinct(part)
        have = row * len(self.keys) + word  # sorted
        shared = np.zeros(len(rows), np.int64)
        for first in range(0, len(rows), STEP):
            here = slice(first, first + STEP)
            counts = self.starts[items[here] + 1] - self.starts[items[here]]
            offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            words = self.words[np.repeat(self.starts[items[here]], counts) + offset]
            found = _member(np.repeat(place[here], counts) * len(self.keys) + words, have)
            shared[here] = np.bincount(np.repeat(np.arange(len(counts)), counts), weights=found, minlength=len(counts))
        return 2 * shared / np.maximum(sizes[place] + self.sizes[items], 1)


class Index:
    """The items of all benchmarks, prepared for the search."""

    def __init__(self, benchmarks: Mapping[str, Sequence[Searched]], settings: Settings) -> None:
        import polars as pl

        self.settings = settings
        self.items = [
            (name, str(item["id"]), text)
            for name, rows in benchmarks.items()
            for item in rows
            for text in normalize_pair.questions(item["problem"])
        ]
        tokens = token_hashes.tokenise(pl.Series([text for _, _, text in self.items], dtype=pl.String))
        self.keys = token_hashes.sequence_keys(tokens)
        self.lengths = np.diff(tokens.starts())
        self.ngrams = Postings.of(tokens, settings.ngram_size)
        shortest = settings.candidates.shortest
        self.short = _short_items(tokens, self.lengths, range(shortest, settings.ngram_size))
        place = np.arange(len(tokens.hashes)) - tokens.starts()[tokens.rows]
        few = (self.lengths < settings.ngram_size) & (self.lengths >= shortest)
        self.short_starts = Postings.of(tokens.chosen(few[tokens.rows] & (place < shortest)), shortest)
        if "fuzzy" in settings.methods:
            self._for_words(tokens)
        self.texts: dict[int, Text] = {}
        self.more = {name: make(name, [text for _, _, text in self.items], settings) for name in settings.methods if name not in TOKENS}

    def _for_words(self, tokens: token_hashes.Tokens) -> None:
        """What `fuzzy` alone looks at."""
        import polars as pl

        asked, content = self.settings.candidates, tokens.content()
        self.content_lengths = np.diff(content.starts())
        self.asked, self.asked_keys = _asked(pl.Series([text for _, _, text in self.items], dtype=pl.String), asked.question_bytes)
        self.vocabulary = Vocabulary(content)
        self.pairs = Postings.of(content, 2, asked.rare_items)
        formulas = self.pairs.sizes < asked.few_pairs
        self.runs = Postings.of(tokens.chosen(formulas[tokens.rows]), 3, asked.rare_items)

    def text(self, item: int) -> Text:
        if item not in self.texts:
            self.texts[item] = Text.of(self.items[item][2])
        return self.texts[item]


PAIRS = ("exact", "ngram", "fuzzy", "short")


@dataclass
class Candidates:
    """Pairs to look at: arrays of rows and items per method, with what the search found out already."""

    exact: tuple[np.ndarray, ...]  # row, item
    ngram: tuple[np.ndarray, ...]  # row, item, key
    fuzzy: tuple[np.ndarray, ...]  # row, item
    short: tuple[np.ndarray, ...]  # row, item: rows that hold an item too short for an n-gram, whole
    row_keys: np.ndarray  # token sequence of the rows in `ngram`, one entry a hit
    more: dict[str, Pairs] = field(default_factory=dict)  # row, item and what the method keeps, by the methods that are objects
    parts: list[Candidates] = field(default_factory=list)

    @classmethod
    def empty(cls) -> Candidates:
        none = np.zeros(0, np.int64)
        return cls((none,) * 2, (none,) * 4, (none,) * 2, (none,) * 2, np.zeros(0, np.uint64))

    def rows(self) -> np.ndarray:
        """All rows that occur in a pair, sorted."""
        found = [*(getattr(self, name)[0] for name in PAIRS), *(pairs[0] for pairs in self.more.values())]
        return token_hashes.distinct(np.concatenate(found))

    def add(self, other: Candidates, offset: int) -> None:
        """Take in the candidates of further rows, `offset` rows later."""
        for name in PAIRS:
            rows, *rest = getattr(other, name)
            setattr(other, name, (rows + offset, *rest))
        other.more = {name: (rows + offset, *rest) for name, (rows, *rest) in other.more.items()}
        self.parts.append(other)

    def joined(self) -> Candidates:
        """All parts as one."""
        exact, ngram, fuzzy, short = (
            tuple(np.concatenate(a) for a in zip(*(getattr(p, name) for p in [self, *self.parts]), strict=True)) for name in PAIRS
        )
        keys = np.concatenate([part.row_keys for part in [self, *self.parts]])
        names = list(dict.fromkeys(name for part in self.parts for name in part.more))
        more: dict[str, Pairs] = {}
        for name in names:
            arrays = zip(*(part.more[name] for part in self.parts if name in part.more), strict=True)
            more[name] = tuple(map(np.concatenate, arrays))
        return Candidates(exact, ngram, fuzzy, short, keys, more)


def search(problems: pl.Series, index: Index, boilerplate: Boilerplate) -> Candidates:
    """One pass over the rows."""
    found, methods = Candidates.empty(), index.settings.methods
    order = np.argsort(index.keys, kind="stable")
    sorted_keys = index.keys[order]

    def look(tokens: token_hashes.Tokens) -> Candidates:
        here = Candidates.empty()
        here.ngram = here.ngram[:3]
        keys = token_hashes.sequence_keys(tokens)
        left = np.searchsorted(sorted_keys, keys, side="left")
        counts = np.searchsorted(sorted_keys, keys, side="right") - left
        counts[np.diff(tokens.starts()) == 0] = 0
        rows = np.flatnonzero(counts)
        if len(rows):
            here.exact = (np.repeat(rows, counts[rows]), np.concatenate([order[left[row] : left[row] + counts[row]] for row in rows]))
        if "ngram" in methods:
            here.ngram = index.ngrams.worthwhile(*index.ngrams.found(tokens, index.settings.ngram_size), index.settings)
            here.row_keys = keys[here.ngram[0]]  # Boilerplate.take needs them, and makes of the n-grams what is kept
            here.short = _short_hits(tokens, index)
        if "fuzzy" in methods:
            here.fuzzy = _by_words(tokens, index)
        return here

    for first, here in token_hashes.in_chunks(problems, index.settings.workers, look):
        boilerplate.take(here)
        found.add(here, first)
    if "fuzzy" in methods:
        here = Candidates.empty()
        here.fuzzy = _asked_alike(problems, index)
        found.add(here, 0)
    return found.joined()


def _short_items(tokens: token_hashes.Tokens, lengths: np.ndarray, sizes: range) -> dict[int, Postings]:
    """Items too short for an n-gram, by their number of words: each is one n-gram of its own length."""
    result = {}
    for words in sizes:
        keep = lengths[tokens.rows] == words
        if keep.any():
            result[words] = Postings.of(tokens.chosen(keep), words)
    return result


def _short_hits(tokens: token_hashes.Tokens, index: Index) -> tuple[np.ndarray, np.ndarray]:
    """`(row, item)` of rows that hold all words of a short item in one run."""
    if index.short:  # most rows do not even hold the first words of one
        near = np.zeros(tokens.count, bool)
        near[index.short_starts.found(tokens, index.settings.candidates.shortest)[0]] = True
        tokens = tokens.chosen(near[tokens.rows])
    rows, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for words, postings in index.short.items():
        row, item, _ = postings.hits(tokens, words)
        rows.append(row)
        items.append(item)
    return np.concatenate(rows), np.concatenate(items)


def _by_words(tokens: token_hashes.Tokens, index: Index) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of the method fuzzy (row, item): they share rare word pairs, are about as long, and have enough words in common."""
    content, width, asked = tokens.content(), len(index.items), index.settings.candidates
    found = []
    for part, size, postings in ((content, 2, index.pairs), (tokens, 3, index.runs)):
        rows, items, _ = postings.hits(part, size)
        pair, shared = np.unique(rows * width + items, return_counts=True)
        found.append(pair[shared >= asked.rare_share * postings.sizes[pair % width]])
    rows, items = np.divmod(token_hashes.distinct(np.concatenate(found)), width)
    ours, theirs = np.diff(content.starts())[rows], index.content_lengths[items]
    near = np.minimum(ours, theirs) >= asked.word_count * np.maximum(ours, theirs)
    rows, items = rows[near], items[near]
    enough = index.vocabulary.overlap(content, rows, items) >= asked.word_overlap
    return rows[enough], items[enough]


def _asked(problems: pl.Series, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Problems of at most so many bytes, and a hash of the words, numbers and functions of each in order; `Compute` says nothing."""
    short = np.flatnonzero((problems.str.len_bytes().fill_null(0) <= most).to_numpy())
    texts = problems[short]
    said = texts.str.contains_any(list(normalize_pair.SAID_PARTS), ascii_case_insensitive=True).arg_true()
    texts = texts.scatter(said, [normalize_pair.in_symbols(text) for text in texts[said]])
    content = token_hashes.tokenise(texts).content()
    some = np.diff(content.starts()) > 0
    return short[some], token_hashes.sequence_keys(content)[some]


def _asked_alike(problems: pl.Series, index: Index) -> tuple[np.ndarray, np.ndarray]:
    """`(row, item)` of short problems with the same words, numbers and functions in the same order."""
    rows, keys = _asked(problems, index.settings.candidates.question_bytes)
    order = np.argsort(index.asked_keys, kind="stable")
    left = np.searchsorted(index.asked_keys, keys, side="left", sorter=order)
    counts = np.searchsorted(index.asked_keys, keys, side="right", sorter=order) - left
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(rows, counts), index.asked[order[np.repeat(left, counts) + offset]]


class Boilerplate:
    """Counts, over all rows, who else has an item's n-grams, and forgets the hits that can matter no more.

    An n-gram of an item is boilerplate if more than `boilerplate_items` items have it, or more than `boilerplate_rows` different
    rows that are no copies of the item (they share less than the asked part of its n-grams). Rows that are equal after normalisation
    count once. A leak does not become boilerplate by being copied, and rows without the n-gram have no say.
    """

    def __init__(self, index: Index) -> None:
        self.width, self.postings, self.settings = len(index.items), index.ngrams, index.settings
        self.slots, self.keys = np.zeros(0, np.int64), np.zeros(0, np.uint64)  # (n-gram, item) and the rows seen there, a few each
        self.full = np.zeros(0, np.int64)  # slots that are boilerplate, sorted

    def take(self, found: Candidates) -> None:
        """Take in the n-grams that further rows share with items; of `found.ngram` only what may lead to a match is left.

        Its entries become row, item, n-gram and how many n-grams row and item share.
        """
        rows, items, which = found.ngram
        _, inverse, shared = np.unique(rows * self.width + items, return_inverse=True, return_counts=True)
        count = shared[inverse]
        stranger = count / self.postings.sizes[items] < self.settings.ngram_coverage
        slot = which * self.width + items
        new = stranger & ~_member(slot, self.full) & (np.diff(self.postings.starts)[which] <= self.settings.boilerplate_items)
        slots, keys = np.concatenate((self.slots, slot[new])), np.concatenate((self.keys, found.row_keys[new]))
        _, first = np.unique(token_hashes.mix(slots.astype(np.uint64)) ^ keys, return_index=True)
        order = first[np.argsort(slots[first], kind="stable")]
        slots, keys = slots[order], keys[order]
        begin = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1]))) if len(slots) else np.zeros(0, np.int64)
        sizes = np.diff(np.append(begin, len(slots)))
        self.full = np.union1d(self.full, slots[begin[sizes > self.settings.boilerplate_rows]])
        some = np.repeat(sizes <= self.settings.boilerplate_rows, sizes)
        self.slots, self.keys = slots[some], keys[some]
        keep = ~(stranger & _member(slot, self.full))
        found.ngram = (rows[keep], items[keep], which[keep], count[keep])
        found.row_keys = found.row_keys[:0]

    def covered(self, found: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(rows, items, coverage)` of the pairs whose shared n-grams cover enough of the item, boilerplate discounted."""
        rows, items, which, count = found.ngram
        if not len(rows):
            return rows, items, np.zeros(0)
        width, sizes, limit = self.width, self.postings.sizes, self.settings.ngram_coverage
        holders = np.diff(self.postings.starts)
        common = _member(which * width + items, self.full) | (holders[which] > self.settings.boilerplate_items)
        boilerplate = np.bincount(self.full % width, minlength=width)
        boilerplate += np.bincount(self.postings.items[np.repeat(holders > self.settings.boilerplate_items, holders)], minlength=width)
        pair, first, inverse = np.unique(rows * width + items, return_index=True, return_inverse=True)
        pair_rows, pair_items = np.divmod(pair, width)
        coverage = count[first] / sizes[pair_items]
        informative = (sizes - boilerplate)[pair_items]
        kept = np.bincount(inverse[~common], minlength=len(pair))
        discounted = np.divide(kept, informative, out=np.zeros(len(pair)), where=informative > 0)
        match = ((discounted >= limit) & (kept >= np.minimum(self.settings.candidates.least_ngrams, sizes[pair_items]))) | (
            coverage >= max(self.settings.whole, limit)
        )
        score = np.where(discounted >= limit, discounted, coverage)
        return pair_rows[match], pair_items[match], score[match]


def _member(values: np.ndarray, sorted_keys: np.ndarray) -> np.ndarray:
    """Which values are among the sorted keys."""
    if not len(sorted_keys):
        return np.zeros(len(values), bool)
    place = np.searchsorted(sorted_keys, values)
    place[place == len(sorted_keys)] = 0
    return sorted_keys[place] == values


def whole(pair: Pair, settings: Settings) -> bool:
    """Is a row that shares n-grams the problem, or a part of it, or a text around it? (Not another question on the same story.)"""
    if len(pair.item.words_in_order) < settings.ngram_size:
        return pair.framed or pair.embedded
    if pair.similarity >= settings.fuzzy_similarity:
        return True
    if pair.item.drawn and not pair.row.drawn:
        return False
    return pair.exchanged <= settings.replaced


def find_matches(problems: pl.DataFrame, benchmarks: Mapping[str, Sequence[Searched]], settings: Settings) -> pl.DataFrame:
    """All matches of `problems` (columns `id`, `problem`) with the items of `benchmarks`, sorted; columns of matches.parquet."""
    return find_matches_in([problems], benchmarks, settings)


def find_matches_in(parts: Iterable[pl.DataFrame], benchmarks: Mapping[str, Sequence[Searched]], settings: Settings) -> pl.DataFrame:
    """`find_matches` over a table that comes in parts: of each part only the candidate rows are kept."""
    import polars as pl

    index = Index(benchmarks, settings)
    boilerplate = Boilerplate(index)
    found, kept = Candidates.empty(), []
    rows_before = 0
    for part in parts:
        if index.items:
            here = search(part["problem"], index, boilerplate)
            for name, method in index.more.items():
                here.more[name] = method.near(part["problem"], f"{name}: problems from row {rows_before} on")
            asked = here.rows()
            found.add(here, rows_before)
            kept.append(part.select("id", "problem")[asked].with_columns(row=pl.Series(asked + rows_before, dtype=pl.Int64)))
        rows_before += len(part)
    matches = _verdicts(found.joined(), pl.concat(kept), index, boilerplate) if kept else []
    table = pl.DataFrame(matches, schema=dict(_schema())).sort(
        "problem_id", "benchmark", "item_id", "method", "score", descending=[False] * 4 + [True]
    )
    return table.unique(["problem_id", "benchmark", "item_id", "method"], keep="first", maintain_order=True)


def _schema() -> list[tuple[str, Any]]:
    import polars as pl

    text, yes = pl.String, pl.Boolean
    return [
        ("problem_id", text), ("benchmark", text), ("item_id", text), ("method", text), ("score", pl.Float64), ("evidence", text),
        ("confirmed", yes), ("raw_equal", yes), ("removed", yes),
    ]  # fmt: skip


def _verdicts(found: Candidates, rows: pl.DataFrame, index: Index, boilerplate: Boilerplate) -> list[Match]:
    """Look at all candidate pairs; `rows` holds `row`, `id` and `problem` of the rows in them."""
    settings = index.settings
    identifiers = dict(zip(rows["row"].to_list(), rows["id"].to_list(), strict=True))
    texts = dict(zip(rows["row"].to_list(), rows["problem"].to_list(), strict=True))
    (exact, exact_items), (short, short_items), (fuzzy, fuzzy_items) = found.exact, found.short, found.fuzzy
    scored: list[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]] = [("exact", exact, exact_items, np.ones(len(exact)))]
    scored.append(("ngram", *boilerplate.covered(found)))
    scored.append(("ngram", short, short_items, np.ones(len(short))))
    scored.append(("fuzzy", fuzzy, fuzzy_items, None))
    scored += [(name, *method.scored(found.more[name], texts)) for name, method in index.more.items() if name in found.more]
    matches: list[Match] = []
    prepared: dict[str, Text] = {}
    pairs: dict[tuple[int, int], Pair] = {}
    for method, row_numbers, items, scores in scored:
        if method not in settings.methods:
            continue
        for place, (row, item) in enumerate(zip(row_numbers.tolist(), items.tolist(), strict=True)):
            other = index.more.get(method)
            pair = pairs.get((row, item))
            if pair is None:
                text = texts[row]
                if text not in prepared:
                    prepared[text] = Text.of(text)
                if other is None and other_problem(index.text(item), prepared[text]):
                    continue
                pair = pairs[row, item] = Pair(index.text(item), prepared[text], settings.rules)
            if other is None and pair.other_numbers:
                continue
            score = pair.similarity if scores is None else float(scores[place])
            confirmed = other.confirms(pair, score) if other else confirms(method, pair, score, settings)
            if not confirmed and not (other and other.lists(pair)):
                continue
            name, identifier, item_text = index.items[item]
            matches.append({
                "problem_id": identifiers[row], "benchmark": name, "item_id": identifier, "method": method,
                "score": round(min(score, 1.0), 4), "evidence": " ".join(pair.run), "confirmed": confirmed,
                "raw_equal": texts[row] == item_text, "removed": (method if confirmed else "similar") in settings.remove,
            })  # fmt: skip
    return matches


def confirms(method: str, pair: Pair, score: float, settings: Settings) -> bool:
    """Is a candidate pair of this method the same problem?"""
    if method == "fuzzy" and score < settings.fuzzy_similarity:
        return False
    return pair.agrees and (method != "ngram" or whole(pair, settings))
