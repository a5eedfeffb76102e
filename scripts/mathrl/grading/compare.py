r"""Is this answer this gold? Each reading of the answer against each reading of the gold, by kind.

`compare` decides within fixed budgets and without the clock. What it cannot decide is not equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mathrl.grading import choices, conditions, lists
from mathrl.grading import nodes as n
from mathrl.grading.expressions import expand_signs, is_periodic, same_expressions, same_family
from mathrl.grading.latex import string_key
from mathrl.grading.numbers import How, decimal
from mathrl.grading.readings import readings
from mathrl.grading.sets import ends_of, is_set, same_ends

EQUAL, DIFFERENT, NO_ANSWER, NO_GOLD = "equal", "different", "unparsed_answer", "unparsed_gold"
NOT_GOLDS = frozenset({"proof", "proof needed", "see solution", "not found", "none given", "unknown", "answer", "see proof", ""})
"""Golds that are no answers."""
MAX_DEPTH = 6
_BASED = re.compile(r"\(?([0-9A-F]*\d[0-9A-F]*)\)?_\{?\(?(?:\d{1,2}|⟦?[a-z]{3,7}⟧?)\)?\}?")
_COMMA_DECIMAL = re.compile(r"[-+]?\d{1,12},(?:\d{1,2}|\d{4,12})")


def simplified(node: n.Node) -> n.Node:
    """Peel what carries no meaning: plus-minus becomes a list, a set of one its item, brackets around a number go."""
    while True:
        match node:
            case n.Items() | n.Braces():
                node = _flat(node)
                if isinstance(node, n.Items | n.Braces):
                    return node
            case n.Paren(inner=inner):
                node = inner
            case n.Bracket(opening="[", closing="]", items=(n.Scalar() as only,)):
                node = only
            case n.Mul() | n.Div() | n.Neg() if (matrix := lists.scaled_matrix(node)) is not node:
                node = matrix
            case _:
                signs = [] if isinstance(node, n.Rel) else expand_signs(node)
                return n.Items(tuple(signs), "or") if len(signs) > 1 else node


def _flat(node: n.Items | n.Braces) -> n.Node:
    items = tuple(sign for part in node.items for sign in expand_signs(part))
    if len(items) == 1:
        return items[0]
    return n.Items(items, node.joiner) if isinstance(node, n.Items) else n.Braces(items)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two trees, with what the judge knows and the depth so far."""

    how: How
    depth: int = 0

    def __call__(self, answer: n.Node, gold: n.Node) -> bool:
        """Are two parts equal, one level down?"""
        return Comparison(self.how, self.depth + 1).same(answer, gold)

    def same(self, answer: n.Node, gold: n.Node) -> bool:
        """Are two readings equal?"""
        if answer == gold:
            return True
        if self.depth > MAX_DEPTH:
            return False
        answer, gold = simplified(answer), simplified(gold)
        if answer == gold:
            return True
        if isinstance(answer, n.Scalar) and isinstance(gold, n.Scalar):
            return same_expressions(answer, gold, self.how)
        return self._by_kind(answer, gold)

    def _by_kind(self, answer: n.Node, gold: n.Node) -> bool:
        match answer, gold:
            case (n.Text(), _) | (_, n.Text()):
                return False
            case n.Mod(), n.Mod():
                return self(answer.inner, gold.inner) and self(answer.modulus, gold.modulus)
            case n.Builder(), n.Builder():
                return conditions.same_builders(answer, gold, self)
            case n.Piecewise(), n.Piecewise():
                return conditions.same_piecewise(answer, gold, self)
            case (n.Mod(), _) | (_, n.Mod()) | (n.Builder(), _) | (_, n.Builder()) | (n.Based(), _) | (_, n.Based()):
                return False
        family = self._families(answer, gold)
        if family is not None:
            return family
        if isinstance(answer, n.Rel) or isinstance(gold, n.Rel):
            verdict = conditions.same_relations(answer, gold, self, self.how)
            if verdict is not None:
                return verdict
        return self._sets_and_lists(answer, gold)

    def _families(self, answer: n.Node, gold: n.Node) -> bool | None:
        r"""Solutions that a whole number counts: k\pi with or without "k \in \mathbb{Z}"; None for others."""
        theirs, mine = conditions.counted(gold), conditions.counted(answer)
        if theirs is None and mine is None:
            return None
        if theirs and mine and theirs[1] != mine[1]:
            return False
        expressions = []
        for node, found in ((answer, mine), (gold, theirs)):
            pair = conditions.assignment(node)
            expressions.append(found[0] if found else pair[1] if pair else node)
        left, right = (simplified(part) for part in expressions)
        if theirs is None and not all(map(is_periodic, right.items if isinstance(right, n.Items) else (right,))):
            return None  # "k, k \in \mathbb{Z}" is every whole number, and not the letter n or the choice B
        if isinstance(left, n.Scalar) and isinstance(right, n.Scalar):
            return same_family(left, right)
        if isinstance(left, n.Items) and isinstance(right, n.Items):
            return lists.matching(lists.values_of(left.items), lists.values_of(right.items), same_family)
        return None

    def _sets_and_lists(self, answer: n.Node, gold: n.Node) -> bool:
        if isinstance(answer, n.Ratio) or isinstance(gold, n.Ratio):
            return bool(lists.same_ratios(answer, gold, self, self.how))
        if is_set(answer) and is_set(gold) and not (isinstance(answer, n.Bracket) and isinstance(gold, n.Bracket)):
            verdict = self._sets(answer, gold)
            if verdict is not None:
                return verdict
        if isinstance(answer, n.Matrix) or isinstance(gold, n.Matrix):
            return lists.same_matrices(answer, gold, self)
        return self._lists(answer, gold)

    def _sets(self, answer: n.Node, gold: n.Node) -> bool | None:
        left, right = ends_of(answer), ends_of(gold)
        if left is not None and right is not None:
            names = n.symbols(answer), n.symbols(gold)
            return not (names[0] and names[1] and names[0] != names[1]) and same_ends(left, right)
        if isinstance(answer, n.SetOp) and isinstance(gold, n.SetOp) and answer.kind == gold.kind:
            crossed = answer.kind != "minus" and self(answer.left, gold.right) and self(answer.right, gold.left)
            return crossed or (self(answer.left, gold.left) and self(answer.right, gold.right))
        return None if isinstance(answer, n.Items) or isinstance(gold, n.Items) else False

    def _lists(self, answer: n.Node, gold: n.Node) -> bool:
        match answer, gold:
            case n.Bracket(), n.Bracket():
                return lists.same_points(answer, gold, self)
            case n.Items() | n.Braces(), n.Items() | n.Braces():
                return lists.same_lists(answer, gold, self)
            case n.Bracket() | n.Items(), n.Bracket() | n.Items():
                return lists.same_point_and_list(answer, gold, self, self.how)
            case n.Items(), n.Scalar():
                return self._one_value(answer.items, gold)
            case n.Scalar(), n.Items(joiner="or"):
                return self._one_value(gold.items, answer)
        return False

    def _one_value(self, items: tuple[n.Node, ...], other: n.Node) -> bool:
        """One value in several writings: 1/2 or 0.5. A list of several values, or of signs, is no value."""
        if any(isinstance(part, n.PlusMinus) for item in items for part in n.walk(item)):
            return False
        return all(isinstance(item, n.Scalar) and self(item, other) for item in items) and len(items) <= lists.MAX_ITEMS


def compare(answer: str, gold: str, how: How) -> str:
    """Compare two answers: `EQUAL`, `DIFFERENT`, or `NO_ANSWER`, `NO_GOLD` where one of them cannot be read."""
    if " ".join(gold.lower().split()).strip(" .$") in NOT_GOLDS:
        return NO_GOLD
    key, own = string_key(gold), string_key(answer)
    if key and own == key:
        return EQUAL
    if not own:
        return NO_ANSWER
    based = _BASED.fullmatch(key) if len(key) <= 60 else None
    if based and own == based[1]:
        return EQUAL  # the base is the question's
    verdict = choices.same_choice(answer, gold)
    verdict = choices.same_time(answer, gold) if verdict is None else verdict
    if verdict is not None:
        return EQUAL if verdict else DIFFERENT
    golds = readings(gold)
    answers = readings(answer)
    if (not answers or not golds or isinstance(golds[0], n.Text) or isinstance(answers[0], n.Text)) and choices.same_words(answer, gold):
        return EQUAL
    commas = [_COMMA_DECIMAL.fullmatch(text.strip().strip("$")) is not None for text in (answer, gold)]
    below_one = own.lstrip("-+").startswith("0,")
    same = Comparison(how).same
    for mine in answers:
        for theirs in golds:
            if (
                commas[0]
                and isinstance(mine, n.Scalar)
                and isinstance(theirs, n.Scalar)
                and (commas[1] or not (below_one or decimal(theirs)))
            ):
                continue  # -2,1 is not -2,10, and 1,2 is not 6/5; but 0,5 is 1/2
            if same(mine, theirs):
                return EQUAL
    return NO_GOLD if not golds else DIFFERENT if answers else NO_ANSWER
