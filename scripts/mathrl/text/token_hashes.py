r"""The tokens of very many problems at once, as 64-bit hashes in arrays: the twin of `normalize.words` for millions of rows.

A million problems cost one pass over their bytes: a table says what each byte is, tokens begin where that changes, and the hash of a
token is a difference of prefix sums. `tests/text/test_normalize.py` holds both twins to the same tokens. By hand, because it pays: tokens
take a third of the time of the plain twin, and n-grams of arrays make the whole search 14 times as fast as `datasets.map` over
Python sets (scripts/time_decontamination.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from mathrl.text.normalize import DRESSING, HTML, LIGHT, NUMBER_WORDS, OPERATORS, SAME, SMALL, UNICODE, tokens, words

if TYPE_CHECKING:
    import polars as pl

CHUNK = 1_000_000  # bytes of text a worker holds at a time: arrays of eight times that stay in its cache
_P = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2**64
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_COMMAND = np.uint64(0xD6E8FEB86659FD93)
_STEP = np.uint64(0xBF58476D1CE4E5B9)

_LETTER, _DIGIT, _OTHER, _WIDE = 1, 2, 3, 4
_CLASS = np.zeros(256, np.uint8)
_CLASS[[*range(65, 91), *range(97, 123)]] = _LETTER
_CLASS[48:58] = _DIGIT
_CLASS[128:] = _OTHER
_SIGN = np.zeros(256, bool)
_SIGN[[ord(char) for char in "+-*/=<>"]] = True
_LOWER = np.arange(256, dtype=np.uint64)
_LOWER[65:91] += 32


@dataclass(frozen=True)
class Tokens:
    """Tokens of consecutive rows. `hashes` (uint64) and `rows` (int32, counted from the first row here) have one entry a token."""

    hashes: np.ndarray
    rows: np.ndarray
    numbers: np.ndarray  # bool: the token is a number
    light: np.ndarray  # bool: the token carries the sentence, not the problem, or is a variable that may be named otherwise
    count: int  # rows, also those without a token
    signs: np.ndarray | None = None  # uint64, one hash a row for its operators in order, where asked for

    def starts(self) -> np.ndarray:
        """Index of the first token of each row, and the number of tokens at the end (int64, count + 1)."""
        return np.searchsorted(self.rows, np.arange(self.count + 1, dtype=np.int32)).astype(np.int64)

    def chosen(self, keep: np.ndarray) -> Tokens:
        """The same rows with some of their tokens."""
        return Tokens(self.hashes[keep], self.rows[keep], self.numbers[keep], self.light[keep], self.count)

    def content(self) -> Tokens:
        """The same rows without light words and single letters."""
        return self.chosen(~self.light)


def mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit values so that any of their bits can be used (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_word(word: str) -> int:
    """The hash of one token, as `tokenise` gives it."""
    total, power = 0, 1
    for byte in word.encode():
        total += byte * power
        power = power * int(_P) % (1 << 64)
    return int(mix(np.array([total % (1 << 64)], np.uint64))[0])


@cache
def _powers(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers of the base and of its inverse; `size` is rounded up to a power of two by the caller, so that few are made."""
    up = np.full(size, _P, np.uint64)
    down = np.full(size, _INVERSE, np.uint64)
    up[0] = down[0] = 1
    return np.multiply.accumulate(up), np.multiply.accumulate(down)


@cache
def _special() -> tuple[np.ndarray, ...]:
    """Tokens that stand for something else: a filter on 16 bits, sorted keys, what they become (0: dropped), is it a number, and
    the byte of the operator it stands for (or 0)."""
    table: dict[int, tuple[int, bool, int]] = {}
    for word, number in NUMBER_WORDS.items():
        table[hash_word(word)] = (hash_word(number), True, 0)
        table[hash_word(word) ^ int(_COMMAND)] = (hash_word(number), True, 0)
    for name in DRESSING:
        table[hash_word(name) ^ int(_COMMAND)] = (0, False, 0)
    for name, other in SAME.items():
        kept = words(tokens(other))
        table[hash_word(name) ^ int(_COMMAND)] = (hash_word(kept[0]) if kept else 0, False, ord(other[0]) if other[0] in OPERATORS else 0)
    keys = np.array(sorted(table), np.uint64)
    values = np.array([table[key][0] for key in sorted(table)], np.uint64)
    numbers = np.array([table[key][1] for key in sorted(table)])
    operators = np.array([table[key][2] for key in sorted(table)], np.uint8)
    return member_filter(keys, 16), keys, values, numbers, operators


@cache
def _light() -> tuple[np.ndarray, np.ndarray]:
    keys = np.array(sorted(hash_word(word) for word in LIGHT | set(ascii_lowercase)), np.uint64)
    return member_filter(keys, 16), keys


def member_filter(keys: np.ndarray, bits: int) -> np.ndarray:
    """A table of 2**bits flags: the low bits of each key are marked."""
    table = np.zeros(1 << bits, bool)
    table[keys & np.uint64((1 << bits) - 1)] = True
    return table


def find(values: np.ndarray, keys: np.ndarray, marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where `values` occur in the sorted `keys`: `(index into values, index into keys)`. `marked` is `member_filter(keys, …)`."""
    near = np.flatnonzero(marked[values & np.uint64(len(marked) - 1)])
    if not len(near) or not len(keys):
        return near[:0], near[:0]
    place = np.searchsorted(keys, values[near])
    place[place == len(keys)] = 0
    same = keys[place] == values[near]
    return near[same], place[same]


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, sorted: `np.unique` without its table of hashes, which takes twenty times as long on nearly sorted values."""
    values = np.sort(values, kind="stable")
    return values[np.concatenate(([True], values[1:] != values[:-1]))] if len(values) else values


def prepare(texts: pl.Series) -> pl.Series:
    r"""Spellings that need more than a look at single bytes: drawings, Unicode (rows that have any), `\frac12`, `{,}` in numbers.

    Each text gets a line feed at its end, so that no token crosses a row.
    """
    drawn = texts.str.contains("[asy]", literal=True) | texts.str.contains("[ASY]", literal=True)
    if drawn.any():
        texts = texts.scatter(drawn.arg_true(), texts.filter(drawn).str.replace_all(r"(?si)\[asy\].*?(\[/asy\]|$)", " "))
    wide = texts.str.len_bytes() != texts.str.len_chars()
    if wide.any():
        folded = texts.filter(wide).str.replace_many(list(SMALL), list(SMALL.values())).str.normalize("NFKC").str.to_lowercase()
        folded = folded.str.replace_many(list(UNICODE), list(UNICODE.values()))
        texts = texts.scatter(wide.arg_true(), folded)
    marked = texts.str.contains(r"&[a-zA-Z]{2,4};|<[bB][rR]")
    if marked.any():
        plain = texts.filter(marked).str.replace_many(list(HTML), list(HTML.values()), ascii_case_insensitive=True)
        texts = texts.scatter(marked.arg_true(), plain)
    chosen = texts.str.contains(" choose ", literal=True)
    if chosen.any():
        texts = texts.scatter(chosen.arg_true(), texts.filter(chosen).str.replace_all(r"\b(\d+) (?i:choose) (\d+)\b", "binom $1 $2"))
    texts = texts.str.replace_all(r"\\[dtc]?frac *(\d) *(\d)", r" $1/$2 ")
    return texts.str.replace_many(["{,}", r",\!"], [",", ","]) + "\n"


def tokenise(texts: pl.Series, signs: bool = False) -> Tokens:
    """Hashes of the words and numbers of each text, and of its operators if `signs`; `prepare` is part of it."""
    prepared = prepare(texts).to_arrow()
    if prepared.type not in ("large_string",):
        prepared = prepared.cast("large_string")
    _, offset_buffer, data = prepared.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[prepared.offset : prepared.offset + len(prepared) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    raw = np.frombuffer(data, np.uint8)[first:last] if last > first else np.zeros(0, np.uint8)
    return _tokens_of_bytes(raw, offsets - first, signs)


def _tokens_of_bytes(raw: np.ndarray, offsets: np.ndarray, signs: bool) -> Tokens:
    raw, offsets = _drop_thousands(raw, offsets)
    count, size = len(offsets) - 1, len(raw)
    if not size:
        nothing = np.zeros(0, np.uint64)
        return Tokens(nothing, nothing.astype(np.int32), nothing.astype(bool), nothing.astype(bool), count, np.zeros(count, np.uint64))
    kind = _CLASS[raw]
    _decimal_points(raw, kind)
    inside = kind != 0
    start = inside.copy()
    start[1:] &= kind[1:] != kind[:-1]
    wide = (raw >= 0xE3) & (raw <= 0xED)  # first byte of a Chinese, Japanese or Korean character: a token of its own
    if wide.any():
        start |= wide
        after = np.flatnonzero(wide) + 3
        after = after[after < size]
        start[after[kind[after] == _OTHER]] = True
    begin = np.flatnonzero(start)
    last = inside.copy()
    last[:-1] &= ~inside[1:] | start[1:]
    end = np.flatnonzero(last) + 1
    up, down = _powers(1 << size.bit_length())
    sums = np.zeros(size + 1, np.uint64)
    np.take(_LOWER, raw, out=sums[1:], mode="clip")  # without a check of bounds that copies
    sums[1:] *= up[:size]
    np.cumsum(sums, out=sums)
    hashes = mix((sums[end] - sums[begin]) * down[begin])
    rows = np.repeat(np.arange(count, dtype=np.int32), np.diff(np.searchsorted(begin, offsets)))
    numbers = kind[begin] == _DIGIT
    command = np.zeros(len(begin), bool)
    behind = begin > 0
    command[behind] = (raw[begin[behind] - 1] == 92) & (kind[begin[behind]] == _LETTER)
    marked, keys, values, become, signs_of = _special()
    where, which = find(hashes ^ np.where(command, _COMMAND, np.uint64(0)), keys, marked)
    operators = _sign_keys(raw, offsets, begin[where[signs_of[which] > 0]], signs_of[which][signs_of[which] > 0]) if signs else None
    hashes[where] = values[which]
    numbers[where] = become[which]
    keep = hashes != 0
    hashes, rows, numbers = hashes[keep], rows[keep], numbers[keep]
    marked, keys = _light()
    light = np.zeros(len(hashes), bool)
    light[find(hashes, keys, marked)[0]] = True
    return Tokens(hashes, rows, numbers, light, count, operators)


def _sign_keys(raw: np.ndarray, offsets: np.ndarray, places: np.ndarray, bytes_there: np.ndarray) -> np.ndarray:
    """One hash a row for its operators in order; `places` are those written as commands, with the byte they stand for."""
    found = np.flatnonzero(_SIGN[raw])
    hyphen = found[(raw[found] == 45) & (found < len(raw) - 2)]
    hyphen = hyphen[(_CLASS[raw[hyphen + 1]] == _LETTER) & (_CLASS[raw[hyphen + 2]] == _LETTER)]  # `two-digit`, `9-kilometer`
    found = np.setdiff1d(found, hyphen, assume_unique=True)
    order = np.argsort(np.concatenate((found, places)), kind="stable")
    where, what = np.concatenate((found, places))[order], np.concatenate((raw[found], bytes_there))[order]
    rows = (np.searchsorted(offsets, where, side="right") - 1).astype(np.int32)
    hashes = mix(what.astype(np.uint64))
    return sequence_keys(Tokens(hashes, rows, hashes > 0, hashes > 0, len(offsets) - 1))


def _drop_thousands(raw: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take out the commas of 1,234,567: between a digit and three digits that no fourth follows."""
    comma = np.flatnonzero(raw == 44)
    comma = comma[(comma > 0) & (comma < len(raw) - 3)]
    digit = (raw >= 48) & (raw <= 57)
    comma = comma[digit[comma - 1] & digit[comma + 1] & digit[comma + 2] & digit[comma + 3]]
    fourth = np.minimum(comma + 4, len(raw) - 1)
    comma = comma[~(digit[fourth] & (comma + 4 < len(raw)))]
    if not len(comma):
        return raw, offsets
    return np.delete(raw, comma), offsets - np.searchsorted(comma, offsets)


def _decimal_points(raw: np.ndarray, kind: np.ndarray) -> None:
    """A point between two digits belongs to the number."""
    point = np.flatnonzero(raw == 46)
    point = point[(point > 0) & (point < len(raw) - 1)]
    kind[point[(kind[point - 1] == _DIGIT) & (kind[point + 1] == _DIGIT)]] = _DIGIT


def grams(tokens: Tokens, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all runs of `size` tokens within a row, and the index of the first token of each."""
    count = len(tokens.hashes) - size + 1
    if count <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    total = tokens.hashes[:count].copy()
    for step in range(1, size):
        total *= _STEP
        total += tokens.hashes[step : step + count]
    first = np.flatnonzero(tokens.rows[:count] == tokens.rows[size - 1 :])
    return mix(total[first]), first


def sequence_keys(tokens: Tokens) -> np.ndarray:
    """One hash a row for its whole sequence of tokens (uint64, `count` entries); rows without tokens get 0."""
    starts = tokens.starts()
    keys = np.zeros(tokens.count, np.uint64)
    if len(tokens.hashes):
        place = np.arange(len(tokens.hashes)) - starts[tokens.rows]
        up, _ = _powers(1 << int(place.max() + 1).bit_length())
        some = np.flatnonzero(np.diff(starts))
        keys[some] = np.add.reduceat(tokens.hashes * up[place], starts[some])
    return mix(keys)


def in_chunks(texts: pl.Series, workers: int, then: Callable[[Tokens], Any], signs: bool = False) -> Iterator[tuple[int, Any]]:
    """What `then` makes of the tokens of a long series, piece by piece: `(first row, result)` in order.

    At most `workers` + 1 pieces are in memory; threads do the work, since arrays are worked on outside Python's lock.
    """
    import polars as pl

    sizes = texts.str.len_bytes().fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
    borders = [0]
    while borders[-1] < len(texts):
        done = sizes[borders[-1] - 1] if borders[-1] else 0
        borders.append(max(int(np.searchsorted(sizes, done + CHUNK)), borders[-1] + 1))
    with ThreadPoolExecutor(workers) as pool:
        waiting = []
        for first, after in itertools.pairwise(borders):
            waiting.append((first, pool.submit(lambda piece: then(tokenise(piece, signs)), texts[first:after])))
            if len(waiting) > workers:
                first, future = waiting.pop(0)
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
