"""A problem prepared for comparing: its tokens, and what is read from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property

from mathrl.decontamination import normalize_pair
from mathrl.decontamination.meanings import DENIALS, GERMAN, LIGHT_IDEOGRAPHS
from mathrl.text.normalize import CONTRASTS, LIGHT, OPERATORS, drawings, is_number, number_value, tokens, without_drawings

MAX_TEXT = 20_000  # characters that are compared
CONTRAST_OF = {word: (group, cell) for group, cells in enumerate(CONTRASTS) for cell, names in enumerate(cells) for word in names.split()}
SIGNS = frozenset("+-*/=<>!")
NUMBER_WEIGHT = 3.0  # a number says more about a problem than a word
LETTER_WEIGHT = 0.5  # a variable less
# A variable or a name in capitals; `a`, `A` and `I` only where they are no words.
_NAME = re.compile(r"(?<![A-Za-z\\])(?:[B-HJ-Z]|[A-Z]{2,}|[b-z]|[aAI](?=[$,)^_=+\\-])|(?<=[$(=+\-])[aAI])(?![A-Za-z])")
_ALONE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_PROPER = re.compile(r"(?<![A-Za-z\\])[A-Z][a-z]+(?![A-Za-z])")
_INSIDE = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+(?![A-Za-z])")  # a capital letter that no sentence begins with
_LOWER = re.compile(r"(?<![A-Za-z])[a-z]+(?![A-Za-z])")
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\s*|\\[,;:!]")
_FORMULA = re.compile(r"\$[^$]*\$|\\\[.*?\\\]", re.DOTALL)
_BLANKS_AT_BRACKETS = re.compile(r"\s*([()\[\]{}])\s*")
_ONE_TOKEN = re.compile(r"(?<![a-z])\(\s*([\w.]+|\\[a-z]+)\s*\)|(?<=sqrt)\(\s*(?:[\w.]+)\s*\)")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
# What makes a bracket say something: a factor, a function, a root, a minus or a fraction bar before it, a power or a factor behind it.
_BEFORE = re.compile(r"(?:[*/^√-]|\\(?:cdot|times|div))\s*$|\\[a-z]+(?:_\w+)?\s*$|(?:[\d)}\]]|(?<![A-Za-z\\])[A-Za-z])$")
_BEFORE_BRACE = re.compile(r"(?:\\sqrt(?:\[\w+\])?|[\^_√])\s*$")
_BEHIND = re.compile(r"\s*(?:[\^/*!]|\\(?:cdot|times|div)(?![a-z]))|\s*\(|\d|[A-Za-z](?![A-Za-z])")
_ASKS = re.compile(
    r"\b(?:find|determine|compute|calculate|evaluate|what|how|which|simplify|solve|prove|express(?! your answer)"
    r"|tell me|work out|figure out)\b",
    re.IGNORECASE,
)


_MEASURED = re.compile(r"\d\s*/\s*\(?\d+\)?\s*\$?\s*[米克吨噸升元角时時分秒天千公厘毫平立顷頃斤]")
_CASES = 0x1200  # letters without case, that no problem uses


@dataclass(frozen=True)
class Text:
    """A problem prepared for comparing: its tokens, and what is read from them when it is asked for."""

    source: str  # without drawings
    sequence: tuple[str, ...]
    drawing: str
    renaming: tuple[tuple[str, str], ...] = ()  # variables that were given other names

    @classmethod
    def of(cls, text: str) -> Text:
        return cls.plain(normalize_pair.plain(without_drawings(text[:MAX_TEXT])), drawings(text[:MAX_TEXT]))

    @classmethod
    def plain(cls, source: str, drawing: str) -> Text:
        """A text that `reading.plain` has been over."""
        source = _apart(source, two_cases(source))
        return cls(source, sequence_of(source), drawing)

    def with_cases(self, letters: Set[str]) -> Text:
        """The same text where these capital letters are variables of their own, because the other text has both cases."""
        source = _apart(self.source, letters)
        return self if source == self.source else Text(source, sequence_of(source), self.drawing)

    @cached_property
    def cases(self) -> frozenset[str]:
        """Capital letters that are variables of their own."""
        if self.source.isascii():
            return frozenset()
        return frozenset(chr(ord(char) - _CASES) for char in self.source if _CASES + 65 <= ord(char) <= _CASES + 90)

    @cached_property
    def numbers(self) -> Counter[str]:
        return Counter(filter(is_number, self.sequence))

    @cached_property
    def signs(self) -> Counter[str]:
        return Counter(token for token in self.sequence if token in SIGNS)

    @cached_property
    def operators(self) -> Counter[str]:
        """All operators but the dot of a product, which may be left out."""
        return Counter(token for token in self.sequence if token in OPERATORS and token != "*")

    @cached_property
    def contrasts(self) -> Counter[tuple[int, int]]:
        return Counter(CONTRAST_OF[token] for token in self.sequence if token in CONTRAST_OF)

    @cached_property
    def content(self) -> Counter[str]:
        """Words, numbers and variables that are no light words."""
        return Counter(token for token in self.sequence if token not in LIGHT and token not in OPERATORS)

    @cached_property
    def names(self) -> Counter[str]:
        """Letters of variables and of words in capitals."""
        return self._change(_names(self.source))

    @cached_property
    def asked(self) -> Counter[str]:
        """The same, of the sentence that asks."""
        return self._change(_names(_question(self.source)))

    @cached_property
    def question(self) -> frozenset[str]:
        """Words of the sentence that asks, without light ones."""
        return frozenset(t for t in sequence_of(_question(self.source)) if len(t) > 1 and not is_number(t) and t not in LIGHT)

    @cached_property
    def ideographs(self) -> Counter[str]:
        """Chinese, Japanese and Korean characters that carry the problem, not the sentence."""
        return Counter(token for token in self.sequence if is_ideograph(token) and token not in LIGHT_IDEOGRAPHS)

    @cached_property
    def denials(self) -> int:
        """How often something is denied: `not`, `without`, `never`."""
        return sum(token in DENIALS for token in self.sequence)

    @cached_property
    def groups(self) -> Counter[tuple[str, ...]]:
        """What brackets hold together: the tokens of a sum or difference that is a factor, a base, an exponent or under a root or bar.

        A remark in brackets (`where $R^+$ denotes the set of …`), a point and a condition are none.
        """
        return self._groups(_SIZES.sub("", self.source))

    @cached_property
    def tight_groups(self) -> Counter[tuple[str, ...]]:
        """The same, where a blank between a bracket and what it belongs to says nothing: `f (x+y)` is `f(x+y)` in a formula."""
        return self._groups(_FORMULA.sub(lambda match: _BLANKS_AT_BRACKETS.sub(r"\1", match[0]), _SIZES.sub("", self.source)))

    def _groups(self, source: str) -> Counter[tuple[str, ...]]:
        names = dict(self.renaming)
        source = _ONE_TOKEN.sub(lambda match: f" {match[1] or 0} ", source)
        found: Counter[tuple[str, ...]] = Counter()
        for inside, behind in _bracketed(source):
            powered = inside.lstrip().startswith("-") and behind.lstrip().startswith("^")
            group = tuple(names.get(token, token) for token in sequence_of(inside))
            if not ({"+", "-"} & set(group[1:]) or powered) or {",", "=", "<", ">"} & set(inside):
                continue
            if not any((len(token) > 1 and token in LIGHT) or is_ideograph(token) for token in group):
                found[group] += 1
        return found

    @cached_property
    def bounds(self) -> Counter[str]:
        """How often a bound belongs to what it bounds (`<=`), and how often not (`<`)."""
        pairs = zip(self.sequence, (*self.sequence[1:], ""), strict=True)
        return Counter("at most" if behind == "=" else "below" for token, behind in pairs if token in ("<", ">"))

    @cached_property
    def measured(self) -> int:
        """Fractions with a Chinese or Japanese unit: `用去1/3米` is a length, `用去1/3` a share."""
        return len(_MEASURED.findall(self.source))

    @cached_property
    def sentences(self) -> tuple[tuple[str, ...], ...]:
        """The sequence, cut into sentences."""
        names = dict(self.renaming)
        return tuple(
            tuple(names.get(token, token) for token in sequence_of(sentence))
            for sentence in normalize_pair.SENTENCE.split(self.source)[::2]
        )

    @cached_property
    def drawn(self) -> Counter[str]:
        """Numbers in drawings."""
        return Counter(filter(is_number, tokens(self.drawing)))

    @cached_property
    def proper(self) -> frozenset[str]:
        """Words that are written with a capital letter wherever they stand."""
        return frozenset(word.lower() for word in _PROPER.findall(self.source)) - frozenset(_LOWER.findall(self.source))

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Words that come more than once."""
        return frozenset(word for word, count in self.words.items() if count > 1)

    @cached_property
    def german(self) -> bool:
        """Are all nouns written with a capital letter?"""
        return len(GERMAN & set(self.sequence)) > 2

    @cached_property
    def inner(self) -> frozenset[str]:
        """Those of them that stand inside a sentence: names of people and places."""
        return frozenset(word.lower() for word in _INSIDE.findall(self.source)) & self.proper

    @cached_property
    def formula(self) -> tuple[str, ...]:
        """Variables, numbers and operators in order."""
        return tuple(
            token for token in self.sequence if (len(token) == 1 and not is_ideograph(token)) or is_number(token) or token in OPERATORS
        )

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Single letters in the order in which they come up."""
        return tuple(dict.fromkeys(filter(_is_variable, self.sequence)))

    def renamed(self, names: dict[str, str]) -> Text:
        """The same text with other variables."""
        sequence = tuple(names.get(token, token) for token in self.sequence)
        return Text(self.source, sequence, self.drawing, tuple(names.items()))

    def _change(self, counts: Counter[str]) -> Counter[str]:
        names = dict(self.renaming)
        return Counter({names.get(token, token): count for token, count in counts.items()}) if names else counts

    @cached_property
    def words_in_order(self) -> tuple[str, ...]:
        """Words and numbers, without operators."""
        return tuple(token for token in self.sequence if token not in OPERATORS)

    @cached_property
    def weight(self) -> float:
        return weight_of(self.content)

    @cached_property
    def words(self) -> Counter[str]:
        """Content without numbers and variables."""
        return Counter({token: n for token, n in self.content.items() if (len(token) > 1 or is_ideograph(token)) and not is_number(token)})

    @cached_property
    def neighbours(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """Each number with the token before it, and with the token behind it; signs that may be written otherwise are passed over."""
        tokens = ["", *(token for token in self.sequence if token not in "/*^|%!" and token != "and"), ""]
        places = [place for place, token in enumerate(tokens) if token and is_number(token)]
        return Counter((tokens[p - 1], tokens[p]) for p in places), Counter((tokens[p], tokens[p + 1]) for p in places)

    @cached_property
    def ordered(self) -> Counter[str]:
        """What must stand in order: numbers, variables, names, plus and minus, less and more."""
        return Counter(token for token in self.sequence if self._is_ordered(token))

    def _is_ordered(self, token: str) -> bool:
        return is_number(token) or token in "+-^<>甲乙丙丁" or token in self.inner or _is_variable(token)

    @cached_property
    def beside(self) -> tuple[dict[str, set[str]], ...]:
        """The numbers before each word or variable, and those behind each: `12 red marbles` has 12 before `red`."""
        tokens = [token for token in self.sequence if token not in LIGHT and token not in OPERATORS]
        before: dict[str, set[str]] = {}
        behind: dict[str, set[str]] = {}
        for left, right in zip(["", *tokens], [*tokens, ""], strict=True):
            if left and is_number(left):
                before.setdefault("" if right and is_number(right) else right, set()).add(left)
            if right and is_number(right):
                behind.setdefault("" if left and is_number(left) else left, set()).add(right)
        return before, behind

    @cached_property
    def phrases(self) -> Counter[tuple[str, ...]]:
        """Runs of three formula tokens: what stays the same when sentences change places."""
        return Counter(zip(self.formula, self.formula[1:], self.formula[2:], strict=False))


def _bracketed(source: str) -> Iterator[tuple[str, str]]:
    """Brackets that say something: what stands in each and behind it."""
    opened: list[int] = []
    for place, char in enumerate(source):
        if char in _CLOSES:
            opened.append(place)
        elif char in ")]}" and opened:
            start = opened.pop()
            if _CLOSES[source[start]] != char:
                opened.clear()
                continue
            before, behind = source[max(0, start - 20) : start], source[place + 1 : place + 20]
            if (_BEFORE_BRACE if char == "}" else _BEFORE).search(before) or (char != "}" and _BEHIND.match(behind)):
                yield source[start + 1 : place], behind


def is_ideograph(token: str) -> bool:
    """Is this token one character of a script that writes words without blanks?"""
    return len(token) == 1 and "\u3000" <= token <= "\ud7ff"


def _is_variable(token: str) -> bool:
    return len(token) == 1 and token.isalpha() and token not in LIGHT and not is_ideograph(token)


def weight_of(counts: Counter[str]) -> float:
    return sum(
        count * (NUMBER_WEIGHT if is_number(token) else LETTER_WEIGHT if len(token) == 1 and token.isascii() else 1.0)
        for token, count in counts.items()
    )


def _names(text: str) -> Counter[str]:
    return Counter(letter for name in _NAME.findall(text) for letter in name)


def _question(text: str) -> str:
    """The last sentence with a question mark, or else the last one that asks for something, or else the last one."""
    sentences = [sentence for sentence in normalize_pair.SENTENCE.split(text)[::2] if sentence.strip()]
    asking = [sentence for sentence in sentences if "?" in sentence] or [sentence for sentence in sentences if _ASKS.search(sentence)]
    return (asking or sentences or [""])[-1]


def two_cases(text: str) -> set[str]:
    """Capital letters of a text that stand alone and whose small ones do so too: `T` and `t` are two variables."""
    alone = set(_ALONE.findall(text))
    return {letter for letter in alone if letter.isupper() and letter.lower() in alone and letter not in "AI"}


def _apart(text: str, letters: Set[str]) -> str:
    """These capital letters, where they stand alone, as letters that have no case."""
    return (
        _ALONE.sub(lambda match: chr(_CASES + ord(match.group())) if match.group() in letters else match.group(), text) if letters else text
    )


def sequence_of(text: str) -> tuple[str, ...]:
    return tuple(number_value(token) if is_number(token) else token for token in tokens(text))
