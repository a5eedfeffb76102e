"""Points, lists, sets written out, records, ratios and matrices."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TypeGuard

from mathrl.grading import nodes as n
from mathrl.grading.conditions import assignment
from mathrl.grading.expressions import Same, same_expressions
from mathrl.grading.numbers import How, is_finished, is_marked
from mathrl.grading.sets import MAX_ITEMS, ends_of
from mathrl.grading.value import constant

Row = tuple[n.Node, ...]


def _records(items: Row) -> list[dict[str, n.Node]] | None:
    """ "p = 5, q = 2; p = 7, q = 2" as records; None where an item is no assignment."""
    pairs = [pair for item in items if (pair := assignment(item))]
    if len(pairs) != len(items):
        return None
    records: list[dict[str, n.Node]] = [{}]
    for name, value in pairs:
        if name in records[-1]:
            records.append({})
        records[-1][name] = value
    return records


def _record(items: Row) -> dict[str, n.Node] | None:
    """The one record of several names that the items are; None where they are none."""
    records = _records(items)
    return records[0] if records and len(records) == 1 and len(records[0]) > 1 else None


def _names_differ(left: Row, right: Row) -> bool:
    """Do both collections name variables, and other ones? Subscripts aside: x_1 = 2, x_2 = 3 is x = 2, x = 3."""
    names = [{re.sub(r"_.*", "", pair[0]) for pair in map(assignment, items) if pair} for items in (left, right)]
    return bool(names[0] and names[1] and names[0] != names[1])


def _in_order(record: dict[str, n.Node]) -> Row:
    """The values of a record as a point: letters that follow each other (x, y) in their order, other names as they stand."""
    letters = sorted(record)
    follow = "".join(letters) in "abcdefghijklmnopqrstuvwxyz" or all(re.fullmatch(letters[0][0] + r"_\{?\d\}?", name) for name in letters)
    names = letters if follow else list(record)
    return tuple(record[name] for name in names)


def values_of(items: Row) -> Row:
    """Items of a list with their names taken off ("x = 1, 2" is 1, 2); records of several names become points."""
    records = _records(items)
    if records is not None and len(records) > 1 and len(records[0]) > 1 and len({tuple(sorted(record)) for record in records}) == 1:
        return tuple(n.Bracket("(", ")", _in_order(record)) for record in records)
    values: list[n.Node] = []
    for item in items:
        pair = assignment(item)
        value = pair[1] if pair else item
        values += value.items if pair and isinstance(value, n.Items) else (value,)
    return tuple(values)


def matching(left: Row, right: Row, same: Same) -> bool:
    """Do two unordered collections hold the same values? Repetitions count only where both have as many items."""
    if max(len(left), len(right)) > MAX_ITEMS:
        return False
    if len(left) != len(right):
        left, right = distinct(left, same), distinct(right, same)
    if len(left) != len(right):
        return False
    rest = list(right)
    for item in left:
        at = next((index for index, other in enumerate(rest) if same(item, other)), None)
        if at is None:
            return False
        rest.pop(at)
    return True


def distinct(items: Row, same: Same) -> Row:
    """The items without repetitions."""
    kept: list[n.Node] = []
    for item in items:
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return tuple(kept)


def ordered(left: Row, right: Row, same: Same) -> bool:
    """Equal item by item."""
    return len(left) == len(right) <= MAX_ITEMS and all(same(a, b) for a, b in zip(left, right, strict=True))


def same_points(answer: n.Bracket, gold: n.Bracket, same: Same) -> bool:
    """Two brackets: item by item, and the same kind of bracket where it may be an interval."""
    if _names_differ(answer.items, gold.items):
        return False
    if len(gold.items) == 2 and (answer.opening, answer.closing) != (gold.opening, gold.closing):
        return False
    return ordered(values_of(answer.items), values_of(gold.items), same)


def same_lists(answer: n.Items | n.Braces, gold: n.Items | n.Braces, same: Same) -> bool:
    """Two lists or sets: unordered, but for lists with dots and for records, which are compared name by name."""
    if _names_differ(answer.items, gold.items):
        return False
    if n.DOTS in answer.items or n.DOTS in gold.items:
        return ordered(answer.items, gold.items, same)
    left, right = _record(answer.items), _record(gold.items)
    if left and right:
        return set(left) == set(right) and ordered(tuple(left[name] for name in right), tuple(right.values()), same)
    if (left or right) and isinstance(answer, n.Items) and isinstance(gold, n.Items):
        mine, theirs = (_in_order(record) if record else values_of(node.items) for record, node in ((left, answer), (right, gold)))
        return ordered(mine, theirs, same)
    return matching(values_of(answer.items), values_of(gold.items), same)


def _as_point(node: n.Items | n.Bracket) -> Row | None:
    """The values of a bracket, or of a list that may be a point written without brackets; None for alternatives."""
    if isinstance(node, n.Bracket):
        return values_of(node.items)
    records = _records(node.items)
    if node.joiner == "or" or (records and len(records) > 1 and len(records[0]) == 1):
        return None
    return _in_order(records[0]) if records and len(records) == 1 else values_of(node.items)


def same_point_and_list(answer: n.Items | n.Bracket, gold: n.Items | n.Bracket, same: Same, how: How) -> bool:
    """A point with brackets against a list without; an interval wants its brackets."""
    bracket = next(node for node in (answer, gold) if isinstance(node, n.Bracket))
    if isinstance(answer, n.Bracket) and (answer.opening, answer.closing) == ("[", "]"):
        return matching(values_of(answer.items), values_of(gold.items), same)  # a data list for a bare list
    is_interval = (
        how.interval or (bracket.opening, bracket.closing) != ("(", ")") or any(n.signed(part)[1] == n.INFINITY for part in bracket.items)
    )
    if is_interval and ends_of(bracket) is not None:
        return False
    left, right = _as_point(answer), _as_point(gold)
    if left is None or right is None:
        return False
    if any(isinstance(part, n.Bracket) for part in (*left[:1], *right[:1])) and len(left) != len(right):
        return False
    return ordered(left, right, same)


def same_ratios(answer: n.Node, gold: n.Node, same: Same, how: How) -> bool | None:
    """Ratios up to a factor; a ratio of two as a fraction. None where the other side is no number."""
    if isinstance(answer, n.Ratio) and isinstance(gold, n.Ratio):
        if ordered(answer.items, gold.items, same):
            return True
        if len(answer.items) != len(gold.items) or n.ZERO in (*answer.items, *gold.items):
            return False  # 12:00 is a time
        if not all(isinstance(part, n.Scalar) for part in (*answer.items, *gold.items)):
            return False
        pairs = zip(answer.items[1:], gold.items[1:], strict=True)
        return all(same_expressions(n.Mul((a, gold.items[0])), n.Mul((b, answer.items[0])), how) for a, b in pairs)
    if any(is_marked(node, n.Percent) or isinstance(node, n.Quantity) for node in (answer, gold)):
        return False  # 13:1 is no 13 %, and no 13 days
    left, right = (n.Div(*node.items) if isinstance(node, n.Ratio) and len(node.items) == 2 else node for node in (answer, gold))
    if any(n.ZERO in node.items for node in (answer, gold) if isinstance(node, n.Ratio)):
        return False
    return same_expressions(left, right, how) if isinstance(left, n.Scalar) and isinstance(right, n.Scalar) else False


def _data_rows(node: n.Node) -> tuple[Row, ...] | None:
    """The rows of [[1, 2], [3, 4]]; None for other trees."""
    if not isinstance(node, n.Bracket) or (node.opening, node.closing) != ("[", "]"):
        return None
    rows = tuple(part.items if isinstance(part, n.Bracket) and part.opening == "[" else () for part in node.items)
    return rows if all(rows) and len({len(row) for row in rows}) == 1 else None


def scaled_matrix(node: n.Node) -> n.Node:
    """A number times a matrix, a matrix over a number, a sum of matrices as the matrix; others as they are."""
    factor: n.Node
    match node:
        case n.Neg(inner=inner):
            matrix, factor = scaled_matrix(inner), n.Neg(n.ONE)
        case n.Mul(items=items) if sum(isinstance(part, n.Matrix) for part in items) == 1:
            matrix = next(part for part in items if isinstance(part, n.Matrix))
            factor = n.product(tuple(part for part in items if part is not matrix))
        case n.Div(top=matrix, bottom=bottom):
            factor = n.Div(n.ONE, bottom)
        case _:
            return node
    if not isinstance(factor, n.Scalar) or not _of_numbers(matrix):
        return node
    return n.Matrix(tuple(tuple(_times(factor, part) for part in row) for row in matrix.rows))


def _of_numbers(node: n.Node) -> TypeGuard[n.Matrix]:
    """Is this a matrix whose cells are numbers or expressions? One of equations has no multiple."""
    return isinstance(node, n.Matrix) and all(isinstance(part, n.Scalar) for row in node.rows for part in row)


def _times(factor: n.Node, part: n.Node) -> n.Node:
    found = n.Mul((factor, part))
    value = constant(found) if is_finished(factor) and is_finished(part) else None
    return n.Num(value, None) if isinstance(value, Fraction) else found


def _rows_of(node: n.Node) -> tuple[Row, ...] | None:
    if isinstance(node, n.Matrix):
        return node.rows
    if rows := _data_rows(node):
        return rows
    return tuple((part,) for part in node.items) if isinstance(node, n.Bracket) and len(node.items) > 1 else None


def same_matrices(answer: n.Node, gold: n.Node, same: Same) -> bool:
    """Matrices cell by cell; a point stands for a column or a row."""
    left, right = _rows_of(answer), _rows_of(gold)
    if left is None or right is None:
        return False
    if isinstance(answer, n.Matrix) != isinstance(gold, n.Matrix) and not (_data_rows(answer) or _data_rows(gold)):
        left, right = (tuple((part,) for row in rows for part in row) if 1 in (len(rows), len(rows[0])) else rows for rows in (left, right))
    if len(left) != len(right) or len(left[0]) != len(right[0]):
        return False
    return ordered(tuple(part for row in left for part in row), tuple(part for row in right for part in row), same)
