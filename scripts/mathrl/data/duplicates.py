"""Groups of equal and nearly equal problems inside the training set.

Two problems are nearly equal if they have the same numbers, variables, signs and contrasting words in the same order, and at
least a share of their other words in common (Jaccard, estimated by MinHash over words and word pairs; 0.8 by default). Two problems of one
template with other numbers are two problems. Groups depend on the texts alone, not on their order. MinHash is by hand, on the arrays of
hashes that the rows are anyway: a library takes one row at a time, as Python objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations, islice
from string import ascii_lowercase
from typing import TYPE_CHECKING

import numpy as np

from mathrl.data.answers import classes
from mathrl.text import token_hashes
from mathrl.text.normalize import CONTRASTS

if TYPE_CHECKING:
    import polars as pl

SameProblem = Callable[[str, str], bool]
CONFLICTS = ("another gold for the same text", "another gold for the same problem, nearly the same text")
MOST_PAIRS = 2000  # of a group that are compared: a larger one is a template, not one problem

HASHES = 16  # what is kept of each row; the share of them that two rows have in common estimates their similarity
BANDS = 8  # rows that agree in both hashes of one band are compared: at a similarity of 0.8 that misses one pair in 3,500


class Signatures:
    """What is kept of each row to find its duplicates: 80 bytes, so that millions of rows can come in parts."""

    def __init__(self) -> None:
        self.exact: list[np.ndarray] = []
        self.fixed: list[np.ndarray] = []
        self.sketches: list[np.ndarray] = []

    def add(self, problems: pl.Series, workers: int = 2) -> None:
        """Take in the next rows."""
        for _, (exact, fixed, hashes) in token_hashes.in_chunks(problems, workers, _signature, signs=True):
            self.exact.append(exact)
            self.fixed.append(fixed)
            self.sketches.append(hashes)

    def groups(self, ids: pl.Series, kind: str, similarity: float = 0.8) -> pl.Series:
        """The group of each row, named by its smallest id. `kind`: `exact` (the same words, numbers and signs) or `near`."""
        import polars as pl

        if not len(ids):
            return ids
        exact = np.concatenate(self.exact)
        left, right = [np.arange(len(exact))], [_first_equal(exact)]
        if kind == "near":
            fixed, hashes = np.concatenate(self.fixed), np.concatenate(self.sketches)
            for band in range(BANDS):
                pair = hashes[:, 2 * band].astype(np.uint64) << np.uint64(32) | hashes[:, 2 * band + 1]
                first = _first_equal(token_hashes.mix(token_hashes.mix(pair) ^ fixed))
                rows = np.flatnonzero(first != np.arange(len(first)))
                rows = rows[fixed[rows] == fixed[first[rows]]]
                rows = rows[(hashes[rows] == hashes[first[rows]]).sum(axis=1) >= similarity * HASHES]
                left.append(rows)
                right.append(first[rows])
        names = _components(np.concatenate(left), np.concatenate(right), len(exact))
        return pl.DataFrame({"key": names, "id": ids}).select(pl.col("id").min().over("key")).to_series()


def _signature(tokens: token_hashes.Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return token_hashes.mix(token_hashes.sequence_keys(tokens) ^ tokens.signs), fixed_keys(tokens), sketch(tokens)


def _first_equal(keys: np.ndarray) -> np.ndarray:
    """For each entry the index of the first one with the same key."""
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(keys), bool)
    new[1:] = keys[order][1:] != keys[order][:-1]
    first = np.empty(len(keys), np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first


def _components(left: np.ndarray, right: np.ndarray, count: int) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(left), bool), (left, right)), shape=(count, count))
    return connected_components(links, directed=False)[1]


@cache
def _fixed_words() -> tuple[np.ndarray, np.ndarray]:
    """Words that must be the same: contrasting ones (`largest` is not `smallest`) and variables."""
    words = {word for cells in CONTRASTS for names in cells for word in names.split()} | set(ascii_lowercase) - {"a"}
    keys = np.array(sorted(token_hashes.hash_word(word) for word in words), np.uint64)
    return token_hashes.member_filter(keys, 16), keys


def fixed_keys(tokens: token_hashes.Tokens) -> np.ndarray:
    """One hash a row for its numbers, variables, contrasting words and signs, each in order."""
    marked, keys = _fixed_words()
    fixed = tokens.numbers.copy()
    fixed[token_hashes.find(tokens.hashes, keys, marked)[0]] = True
    part = token_hashes.Tokens(tokens.hashes[fixed], tokens.rows[fixed], tokens.numbers[fixed], tokens.light[fixed], tokens.count)
    return token_hashes.mix(token_hashes.sequence_keys(part) ^ tokens.signs)


def sketch(tokens: token_hashes.Tokens) -> np.ndarray:
    """MinHash of each row's content words and their pairs: uint32, `(count, HASHES)`; rows without content get zeros."""
    keep = ~tokens.light & ~tokens.numbers
    words = token_hashes.Tokens(tokens.hashes[keep], tokens.rows[keep], tokens.numbers[keep], tokens.light[keep], tokens.count)
    result = np.zeros((tokens.count, HASHES), np.uint32)
    if not len(words.hashes):
        return result
    pairs, first = token_hashes.grams(words, 2)
    # A pair at the place of its first word; the last word of a row stands for its pair.
    values = np.concatenate((words.hashes, words.hashes))
    values[len(words.hashes) + first] = pairs
    starts = words.starts()
    some = np.flatnonzero(np.diff(starts))
    single, double = values[: len(words.hashes)], values[len(words.hashes) :]
    for number in range(HASHES):
        odd = np.uint64(0x9E3779B97F4A7C15 * (2 * number + 1) % (1 << 64) | 1)
        least = np.minimum.reduceat(np.minimum(single * odd, double * odd), starts[some])
        result[some, number] = least >> np.uint64(32)
    return result


def strict_text(problem: str) -> str:
    """A problem without blanks, dollars and case: rows that have it in common are one problem, drawings and brackets included."""
    return re.sub(r"[\s$]+", "", problem).lower()


def sort_out(problems: Sequence[str], answers: Sequence[str], groups: Sequence[str], same: SameProblem) -> list[str | None]:
    """What becomes of each row of groups of equal problems: None (kept), `duplicate`, or why it leaves, `CONFLICTS`.

    Rows with the same text and golds that say different things are a conflict: nobody knows which gold is right, and all leave. So do
    nearly equal rows with different golds that are the `same` problem. Others with different golds are different problems: the first
    of each gold stays.
    """
    found: list[str | None] = [None] * len(groups)
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    for rows in members.values():
        if len(rows) == 1:
            continue
        said = classes([answers[row] for row in rows])
        conflicts = _conflicts([problems[row] for row in rows], said, same) if len(set(said)) > 1 else {}
        seen: set[int] = set()
        for place, (row, gold) in enumerate(zip(rows, said, strict=True)):
            if place in conflicts:
                found[row] = conflicts[place]
            elif gold in seen:
                found[row] = "duplicate"
            else:
                seen.add(gold)
    return found


def _conflicts(problems: Sequence[str], golds: Sequence[int], same: SameProblem) -> dict[int, str]:
    """Rows of one group whose gold another row of the same problem contradicts, and how near the other row is."""
    texts = [strict_text(problem) for problem in problems]
    of_text: dict[str, set[int]] = {}
    rows_of: dict[str, list[int]] = {}
    for row, (text, gold) in enumerate(zip(texts, golds, strict=True)):
        of_text.setdefault(text, set()).add(gold)
        rows_of.setdefault(text, []).append(row)
    near = set[str]()
    pairs = ((one, other) for one, other in combinations(of_text, 2) if len(of_text[one] | of_text[other]) > 1)
    for one, other in islice(pairs, MOST_PAIRS):
        if not {one, other} <= near and same(problems[rows_of[one][0]], problems[rows_of[other][0]]):
            near |= {one, other}
    return {row: CONFLICTS[len(of_text[text]) == 1] for row, text in enumerate(texts) if len(of_text[text]) > 1 or text in near}
