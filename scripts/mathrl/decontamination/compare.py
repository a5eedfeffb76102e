"""Are two texts the same problem? Decided on their tokens, by rules that a reader can follow.

Numbers must agree: a number that only one side has is fine (one text is cut or has a sentence more), numbers on both sides
that the other lacks mean another problem of the same template. The same holds for operators and for words that turn a
question into another one (largest against smallest). And they must stand in the same order, with variables and names: `7 + 8 + 7`
is not `7 + 7 + 8`. Another order is allowed only where whole sentences, or numbers with the word beside them, have moved.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from itertools import pairwise

from mathrl.decontamination import normalize_pair
from mathrl.decontamination.meanings import DENIALS, FILLERS, SMALL_WORDS, opposite_forms, same_words
from mathrl.decontamination.settings import Rules, Settings
from mathrl.decontamination.texts import CONTRAST_OF, Text, weight_of
from mathrl.text.normalize import LIGHT, OPERATORS, drawings, is_number

DEFAULT = Rules()
MOST = 1000, 2000  # tokens that are aligned, of an item and of a row in which it is looked for: what a comparison may cost, no threshold


class Pair:
    """An item and a row side by side; what is expensive is computed when asked for."""

    def __init__(self, item: Text, row: Text, rules: Rules = DEFAULT) -> None:
        item, row = item.with_cases(row.cases), row.with_cases(item.cases)
        row = _respelt(item, row, rules.misspelt)
        if item.variables != row.variables and len(item.variables) == len(row.variables) and set(item.variables) != set(row.variables):
            row = row.renamed(dict(zip(row.variables, item.variables, strict=True)))
        self.item, self.row, self.rules = item, row, rules

    @cached_property
    def agrees(self) -> bool:
        """Can the two be the same problem? False where something that makes a problem was exchanged for something else."""
        item, row, rules = self.item, self.row, self.rules
        if self.other_numbers or not self.in_order:
            return False
        if item.formula == row.formula and not row.renaming and item.groups != row.groups and item.tight_groups != row.tight_groups:
            return False
        if _exchanged(item.bounds, row.bounds):
            return False
        if self.part or self.embedded:
            return True
        if self.other_word:
            return False
        if _exchanged(item.signs, row.signs):
            return False
        lost, gained = item.contrasts - row.contrasts, row.contrasts - item.contrasts
        if {group for group, _ in lost} & {group for group, _ in gained}:
            return False
        ours, theirs = sum(item.words.values()), sum(row.words.values())
        if item.drawn and row.drawn and (item.drawn & row.drawn).total() < rules.same_drawing * max(item.drawn.total(), row.drawn.total()):
            return False
        if min(ours, theirs) >= rules.same_length * max(ours, theirs) or max(ours, theirs) <= rules.short / 2:
            # Neither text is a part of the other: few numbers must all be there, and signs with them.
            if item.numbers != row.numbers and max(item.numbers.total(), row.numbers.total()) <= rules.few_numbers:
                return False
            if item.numbers == row.numbers and any(item.signs[sign] != row.signs[sign] for sign in "+-"):
                return False
            if max(ours, theirs) <= rules.short and _exchanged(item.names, row.names):
                return False
            if max(ours, theirs) <= rules.few_words and (item.numbers != row.numbers or item.operators != row.operators):
                return False  # a formula, and another one that holds it
            if item.numbers == row.numbers and item.measured != row.measured:
                return False
        if self.places < rules.same_places:
            return False
        if set(item.names) == set(row.names) and _exchanged(item.asked, row.asked):
            return False
        if any(word in item.words for word in row.question - item.question) and any(
            word in row.words for word in item.question - row.question
        ):
            return False  # one story, but another of its things is asked for
        return self.formulas >= rules.same_formula

    @cached_property
    def other_numbers(self) -> bool:
        """Was a number exchanged for another one?"""
        return _exchanged(self.item.numbers, self.row.numbers) > 0

    @cached_property
    def keeps_meaning(self) -> bool:
        """Can one be a paraphrase of the other?

        No number is exchanged, at most one more is there (`one`, `the three of them`). Where the words are much the same, nothing is
        denied on one side alone, and no word stands for its opposite; in other words `not yet sold` is `left`, and both say little.
        """
        item, row = self.item, self.row
        if self.other_numbers or abs(item.numbers.total() - row.numbers.total()) > 1:
            return False
        if self.similarity < self.rules.same_wording:
            return True
        if (item.denials > 0) != (row.denials > 0):
            return False
        lost, gained = item.contrasts - row.contrasts, row.contrasts - item.contrasts
        return not {group for group, _ in lost} & {group for group, _ in gained}

    @cached_property
    def other_word(self) -> bool:
        """Was a word exchanged that makes another problem?

        Two texts that differ in one place alone, where each has a word of its own: only words that are known to say the same, other
        forms of one word, and names of people may stand there. Nobody can list all words that make another problem (inside, outside).
        Where more is different the text was reworded, and only known opposites decide. Ideographs have no forms: none is exchanged.
        """
        item, row = self.item, self.row
        if self.length >= self.rules.same_length and item.denials != row.denials:
            return True
        if item.ideographs and row.ideographs:
            return _exchanged(item.ideographs, row.ideographs) > 0
        if any(frozenset(" ".join(words) for words in change) in SMALL_WORDS for change in self.exchanges):
            return True
        changes = self.changes
        if any(mine and theirs and _opposite(mine, theirs) for mine, theirs in changes):
            return True
        unknown = {(mine, theirs) for mine, theirs in changes if mine and theirs and not self._same_meaning(mine, theirs)}
        most = self.rules.exchanged_words
        return len(unknown) == 1 and all(
            len(mine) <= most and len(theirs) <= most and self._replaced(mine, theirs) for mine, theirs in unknown
        )

    def _replaced(self, mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
        """Did words go and others come, not only move?"""
        ours, others = self.item.words, self.row.words
        return any(ours[word] > others[word] for word in mine) and any(others[word] > ours[word] for word in theirs)

    @cached_property
    def length(self) -> float:
        """Words of the shorter text over those of the longer."""
        ours, theirs = self.item.words.total(), self.row.words.total()
        return min(ours, theirs) / max(ours, theirs, 1)

    @cached_property
    def exchanges(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """The places in which two aligned texts differ: the words and numbers there."""
        from difflib import SequenceMatcher

        left, right = self.item.words_in_order[: MOST[0]], self.row.words_in_order[: MOST[0]]
        places = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        return [(left[a:b], right[c:d]) for kind, a, b, c, d in places if kind != "equal"]

    @cached_property
    def changes(self) -> list[tuple[tuple[str, ...], ...]]:
        """The same, without light words, numbers and variables."""
        return [tuple(tuple(token for token in part if _is_word(token)) for part in change) for change in self.exchanges]

    def _same_meaning(self, mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
        """Words of one meaning, forms of one word, or names of two people."""
        if same_words(mine, theirs):
            return True
        names = all(
            word in text.proper and (word in text.repeated or not text.german)
            for text, words in ((self.item, mine), (self.row, theirs))
            for word in words
        )
        return names and not any(word in CONTRAST_OF for word in (*mine, *theirs))

    @cached_property
    def in_order(self) -> bool:
        """Do numbers, variables and names that both have as often stand in the same order, or in one that a reader would call the same?"""
        item, row = self.item, self.row
        same = {token for token, count in item.ordered.items() if row.ordered[token] == count}
        left, right = ([token for token in text.sequence if token in same] for text in (item, row))
        numbers = [[token for token in text.sequence if is_number(token)] for text in (item, row)]
        if left == right and _inside(*sorted(numbers, key=len)):
            return True
        return self._sentences_moved(same) or (numbers[0] != numbers[1] and self._phrases_moved)

    def _sentences_moved(self, same: set[str]) -> bool:
        """Has each sentence of the text with fewer of them its like in the other: in order itself, and most alike in words?"""
        mine, others = sorted(
            (
                [(tuple(token for token in part if token in same), frozenset(part) - LIGHT - same) for part in text.sentences]
                for text in (self.item, self.row)
            ),
            key=len,
        )
        others = [part for part in others if part[0]]
        for ordered, words in mine:
            if ordered:
                likeness = [2 * len(words & theirs) / max(len(words) + len(theirs), 1) for _, theirs in others]
                if not any(other[0] == ordered and like == max(likeness) for other, like in zip(others, likeness, strict=True)):
                    return False
        return Counter(part for part, _ in mine if part) == Counter(part for part, _ in others)

    @cached_property
    def _phrases_moved(self) -> bool:
        """Does each number stand beside a word or variable of its own, the same one in both texts?"""
        for ours, theirs in zip(self.item.beside, self.row.beside, strict=True):
            if ours and ours == theirs and "" not in ours and all(len(numbers) == 1 for numbers in ours.values()):
                return True
        return False

    @cached_property
    def run(self) -> tuple[str, ...]:
        """The longest run of tokens that both have."""
        from difflib import SequenceMatcher

        left, right = self.item.sequence[: MOST[0]], self.row.sequence[: MOST[1]]
        block = SequenceMatcher(None, left, right, autojunk=False).find_longest_match()
        return left[block.a : block.a + block.size]

    @cached_property
    def part(self) -> bool:
        """Is one text inside the other, in one run?"""
        size = min(len(self.item.sequence), len(self.row.sequence))
        if size < self.rules.part or len(self.run) != size:
            return False
        longer = max(self.item.sequence, self.row.sequence, key=len)
        starts = [place for place in range(len(longer) - size + 1) if longer[place : place + size] == self.run]
        ends = "+*/^=<>"  # where a formula goes on, its beginning is no problem of its own
        return any(
            (not place or (longer[place - 1] not in ends and self.run[0] not in ends))
            and (place + size == len(longer) or (longer[place + size] not in ends and self.run[-1] not in ends))
            for place in starts
        )

    @cached_property
    def embedded(self) -> bool:
        """Is the item, too short for a run, a sentence of the row?"""
        sequence = self.item.sequence
        return len(sequence) >= self.rules.sentence and any(map(is_number, sequence)) and sequence in self.row.sentences

    @cached_property
    def framed(self) -> bool:
        """Is the row the item with words around it, and no number, variable or sign of its own?"""
        return self.item.ordered == self.row.ordered and self.item.signs == self.row.signs and not self.item.content - self.row.content

    @cached_property
    def places(self) -> float:
        """Share of the numbers that both have which stand beside the same token: low where numbers or signs have changed places."""
        both = (self.item.numbers & self.row.numbers).total()
        if not both:
            return 1.0
        return max((ours & theirs).total() for ours, theirs in zip(self.item.neighbours, self.row.neighbours, strict=True)) / both

    @cached_property
    def formulas(self) -> float:
        """How much of the shorter text's formulas the other has, 0–1: in order, or in runs of three where the order is another."""
        left, right = self.item, self.row
        if min(len(left.formula), len(right.formula)) < self.rules.formula:
            return 1.0
        from rapidfuzz.distance import LCSseq

        shorter = min(len(left.formula), len(right.formula))
        in_order = LCSseq.similarity(left.formula, right.formula) / shorter
        in_runs = (left.phrases & right.phrases).total() / min(left.phrases.total(), right.phrases.total())
        return max(in_runs, in_order if in_order >= self.rules.formula_order else 0.0)

    @cached_property
    def similarity(self) -> float:
        """Token similarity 0–1: the weight of shared tokens, twice, over the weight of all; or, if larger, half-way to that of letters.

        Light words and operators are left out. The first forgives another order, the second misspellings.
        """
        words, others = self.item.words.total(), self.row.words.total()
        if (
            words
            and others
            and max(words, others) > self.rules.few_words + 1
            and (self.item.words & self.row.words).total() < self.rules.common_words * max(words, others)
        ):
            return 0.0
        total = self.item.weight + self.row.weight
        shared = 2 * (weight_of(self.item.content & self.row.content) + self._other_names) / total if total else 0.0
        if shared < self.rules.letters:
            return shared
        from rapidfuzz.fuzz import ratio

        return max(shared, (shared + ratio(_letters(self.item), _letters(self.row)) / 100) / 2)

    @cached_property
    def _other_names(self) -> float:
        """Weight of names of people and places that were exchanged one for one, in a problem with the same numbers."""
        if self.item.numbers != self.row.numbers or self.item.numbers.total() < self.rules.named_numbers:
            return 0.0
        missing, more = self.item.words - self.row.words, self.row.words - self.item.words
        ours = sorted(count for word, count in missing.items() if word in self.item.proper)
        theirs = sorted(count for word, count in more.items() if word in self.row.proper)
        return float(sum(ours)) if ours == theirs else 0.0

    @cached_property
    def exchanged(self) -> float:
        """Share of the item's content that the row has replaced, 0–1. Nothing is replaced in a row that was cut or has more."""
        missing = weight_of(self.item.content - self.row.content)
        more = weight_of(self.row.content - self.item.content)
        return min(missing, more) / self.item.weight if self.item.weight else 0.0


_BRACKETS = re.compile(r"\\[()\[\]]")


def surely_same(one: str, other: str, settings: Settings = Settings()) -> bool:  # noqa: B008 - frozen
    """Are two rows of a training set one problem, so that golds which differ contradict each other?

    Asked of what is nearly equal, and stricter than a match: brackets and drawings are the same, too, and so is what is denied; no word
    of the problem is on one side alone.
    """
    brackets, drawn = ([_BRACKETS.sub("", text).count(sign) for sign in "(["] for text in (one, other)), (drawings(one), drawings(other))
    if len({tuple(counts) for counts in brackets}) > 1 or len({"".join(text.split()) for text in drawn}) > 1:
        return False
    pair = Pair(Text.of(one), Text.of(other), settings.rules)
    denied = [Counter(b for a, b in pairwise(text.sequence) if a in DENIALS) for text in (pair.item, pair.row)]
    more = any(bool(mine) != bool(theirs) for mine, theirs in pair.changes)  # a king, and a king or a queen
    return denied[0] == denied[1] and not more and pair.agrees and pair.similarity >= settings.fuzzy_similarity


def _is_word(token: str) -> bool:
    return len(token) > 1 and not is_number(token) and token not in LIGHT and token not in FILLERS


def _opposite(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Is there a known opposite of one word among the others, or the same word with and without `un-`?"""
    for word in mine:
        for other in theirs:
            left, right = CONTRAST_OF.get(word), CONTRAST_OF.get(other)
            if (left and right and left[0] == right[0] and left[1] != right[1]) or opposite_forms(word, other):
                return True
    return False


def _letters(text: Text) -> str:
    return " ".join(token for token in text.sequence if token not in LIGHT and token not in OPERATORS)


def other_problem(item: Text, row: Text) -> bool:
    """Were more numbers exchanged than slips of the pen explain? Asked of most candidates, and cheaper than a `Pair`."""
    return _exchanged(item.numbers, row.numbers) > 1


def _respelt(item: Text, row: Text, least: float) -> Text:
    """The row without slips of the pen, where it is much like the item: so large a part of the longer text's words is common."""
    ours, theirs = item.words, row.words
    if other_problem(item, row) or ours == theirs:
        return row
    if _shared(ours, theirs) < least * max(ours.total(), theirs.total()):
        return row
    missing = frozenset(item.numbers - row.numbers)
    source = normalize_pair.respelt(row.source, frozenset(row.sequence), frozenset(item.sequence), missing)
    return row if source == row.source else Text.plain(source, row.drawing)


def _inside(shorter: list[str], longer: list[str]) -> bool:
    """Are all entries of one list in the other, in the same order?"""
    rest = iter(longer)
    return all(entry in rest for entry in shorter)


def _exchanged(left: Counter, right: Counter) -> int:
    """How many entries were replaced: what both sides have and the other lacks."""
    return min(left.total(), right.total()) - _shared(left, right)


def _shared(left: Counter, right: Counter) -> int:
    """How many entries both have: `(left & right).total()` without making that counter."""
    return sum(min(count, right[key]) for key, count in left.items() if key in right)
