"""From published rows to ours: one problem, one gold, where it comes from; rows without are left out with a reason, and counted."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError
from mathrl.core.parquet import PART, PartWriter
from mathrl.data import gold, layouts, prompts
from mathrl.data.raw_rows import check_nesting, is_parquet, read_rows
from mathrl.data.records import Item, Read

if TYPE_CHECKING:
    import polars as pl

FIRST = 200  # rows by which a layout is recognised
EXAMPLES = 3
_OURS = {"problem", "prompt", "question", "answer", "solution", "source", "domain", "subject", "solve_rate", "llama8b_solve_rate"}


@dataclass
class Reader:
    """Reads the rows of one data set by its layout."""

    layout: layouts.Layout
    wrapper: prompts.Wrapper | None
    notice: str  # how the rows are read
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)
    by_value: bool = False  # a number that answers is the text of a choice, not its place
    outside: Counter[str] = field(default_factory=Counter)  # rows that the layout leaves out by a column, with what it says

    @classmethod
    def of(cls, first: Sequence[layouts.Row], mapping: Mapping[str, str], where: str) -> Reader:
        layout = layouts.chosen(first, mapping, where)
        wrapper = None
        if layout.prompt:
            texts = [text for row in first if (text := prompts.message_text(layouts.first_of(row, layout.problem)))]
            wrapper = prompts.Wrapper([prompts.without_examples(text) for text in texts])
        notice = layout.notice(first)
        if wrapper and (wrapper.prefix or wrapper.suffix):
            notice += f"; taken off each prompt: {' … '.join(filter(None, (wrapper.prefix.strip(), wrapper.suffix.strip())))!r}"
        earlier = sum(prompts.earlier_messages(layouts.first_of(row, layout.problem)) for row in first)
        if earlier:
            notice += f"; in {earlier} of the first {len(first)} rows the user says something before the last message, which alone is read"
        return cls(layout, wrapper, notice + layouts.unread(first, layout.columns(first)), by_value=_are_texts(layout, first))

    def problem(self, row: layouts.Row) -> str:
        """The text of the problem, without instruction, with what tells its story; `NoGold` where there is none."""
        text = prompts.message_text(layouts.first_of(row, self.layout.problem))
        if text is None or not text.strip():
            raise gold.NoGold("no problem")
        if self.wrapper:
            text = self.wrapper.problem(prompts.without_examples(text))
        body = layouts.first_of(row, self.layout.body)
        if isinstance(body, str) and body.strip() and body.strip() not in text:
            text = f"{body.strip()}\n{text}"
        if layouts.first_of(row, layouts.FIGURE) is not None:
            raise gold.NoGold("the problem needs a picture")
        return text

    def is_outside(self, row: layouts.Row) -> bool:
        """Does the layout leave this row out by a column? Such rows are counted apart from those without a gold."""
        for path, left_out in self.layout.without.items():
            if layouts.look(row, path) == left_out:
                self.outside[f"{path} is '{left_out}'"] += 1
                return True
        return False

    def row(self, row: layouts.Row) -> Read:
        """`problem` and `answer` of a row; where it has no gold, `answer` is None and `left_out` says why."""
        found: Read = {"problem": None, "answer": None, "left_out": None}
        try:
            problem = found["problem"] = self.problem(row)
            for path, wanted in self.layout.only.items():
                value = layouts.look(row, path)
                if value is not None and str(value) not in wanted.split("|"):
                    raise gold.NoGold(f"{path} is {value}")
            found["problem"], found["answer"] = self._with_gold(row, problem)
        except gold.NoGold as reason:
            found["left_out"] = str(reason)
        return found

    def _with_gold(self, row: layouts.Row, problem: str) -> tuple[str, str]:
        value = layouts.first_of(row, self.layout.answer)
        choices = layouts.first_of(row, self.layout.choices) or layouts.option_columns(row, value)
        options = gold.options_of(choices)
        if options:
            told = gold.text_of(value) if self.by_value else value
            return gold.with_choices(problem, options), gold.letter_of(told, options, gold.labels_of(choices))
        if self.layout.has_choices:
            raise gold.NoGold("no choices")
        if isinstance(value, list):
            rule = gold.rule_of(self.layout.rule)
            value = [gold.found_by(rule, entry) for entry in value]
        return problem, gold.found_by(gold.rule_of(self.layout.rule), value)

    def count(self, number: int, reason: str) -> None:
        self.reasons[reason] += 1
        self.examples.setdefault(reason, []).append(number) if self.reasons[reason] <= EXAMPLES else None

    def told(self) -> str:
        """The most frequent reasons with their rows."""
        return "; ".join(
            f"{reason} ({count}: row {', '.join(map(str, self.examples[reason]))}{', …' if count > EXAMPLES else ''})"
            for reason, count in self.reasons.most_common(3)
        )


def _are_texts(layout: layouts.Layout, rows: Sequence[layouts.Row]) -> bool:
    """Are the numbers that answer texts of the choices? Each is one, and some are too large for a place among them."""
    some = False
    for row in rows:
        value = layouts.first_of(row, layout.answer)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        try:
            options = gold.options_of(layouts.first_of(row, layout.choices))
            if options is None:  # a row that is left out
                continue
            if gold.text_of(value) not in options:
                return False
        except gold.NoGold:
            return False
        some |= not 0 <= value < len(options)
    return some


def share(value: Any) -> float | None:
    """A solve rate: a finite number, `5/8`, `60%`, or None for anything else."""
    text = re.sub(r"%\s*$", "/100", value) if isinstance(value, str) else ""
    over, _, under = text.partition("/") if text else (value, "", "")
    if isinstance(over, bool) or not isinstance(over, str | int | float):
        return None
    try:
        found = float(over) / float(under or 1)
    except (ValueError, ArithmeticError):
        return None
    return found if math.isfinite(found) else None


def domains(value: Any) -> list[str] | None:
    """A domain as a list of texts."""
    values = value if isinstance(value, list) else [value]
    return [str(entry) for entry in values if isinstance(entry, str | int) and str(entry)] or None


def open_rows(paths: Sequence[Path]) -> tuple[list[layouts.Row], Iterator[layouts.Row]]:
    """The first rows, and all rows in the order of the files."""
    rows = itertools.chain.from_iterable(read_rows(path) for path in paths)
    first: list[layouts.Row] = list(itertools.islice(rows, FIRST))
    if not first:
        raise UserError(f"{paths[0]}: holds no rows; fetch it again or correct its pin")
    return first, itertools.chain(first, rows)


def write_dataset(paths: Sequence[Path], mapping: Mapping[str, str], out: Path, where: str) -> tuple[int, str]:
    """Write all files of a data set as one table; returns its rows and a notice that says how they were read.

    A single parquet file that has our columns already is taken byte for byte. Columns: problem, answer, source, domain, solve_rate,
    and `left_out`, the reason why a row has no gold; `clean_problems` counts those rows and drops them.
    """
    if len(paths) == 1 and not mapping and is_parquet(paths[0]):
        as_it_is = _as_it_is(paths[0])
        if as_it_is is not None:
            shutil.copyfile(paths[0], out)
            count, unread = as_it_is
            return count, f"parquet with the workflow's columns: taken as it is{unread}"
    first, rows = open_rows(paths)
    reader = Reader.of(first, mapping, where)
    total = 0
    with PartWriter(out) as writer:
        while part := list(itertools.islice(rows, PART)):
            writer.write(_table(part, reader, total))
            total += len(part)
    notice = reader.notice
    if reader.reasons:
        left = sum(reader.reasons.values())
        notice += f"; {left} of {total} rows hold no problem with a gold: {reader.told()}"
        if left == total:
            raise UserError(f"{where}: no row has a problem with a gold: {reader.told()} [{reader.notice}]; map them with `columns`")
    return total, notice


def _as_it_is(path: Path) -> tuple[int, str] | None:
    """Rows of a parquet file whose columns are ours and hold plain values, and which are not read; None where a layout must say."""
    import polars as pl

    from mathrl.core.parquet import schema_of
    from mathrl.data.problems import ALIASES

    check_nesting(path)
    schema = schema_of(path)
    plain = {name: kind for name, kind in schema.items() if name in _OURS}
    problem, answer = (next((name for name in names if name in schema), None) for names in (ALIASES["problem"], ALIASES["answer"]))
    if (
        problem is None
        or answer is None
        or not set(schema) <= _OURS | {"id"}
        or any(isinstance(plain[name], pl.List | pl.Struct | pl.Array) for name in (problem, answer))
    ):
        return None
    first = pl.scan_parquet(path).select(pl.col([problem, answer]).cast(pl.String)).head(FIRST).collect()
    if not len(first):
        raise UserError(f"{path}: holds no rows; fetch it again or correct its pin")
    lengths = first[answer].str.len_chars().median()
    if (isinstance(lengths, float) and lengths > layouts.LONG) or first[answer].str.contains(r"####|\\boxed").any():
        return None
    listed = pl.col(answer).cast(pl.String).str.contains(gold.LIST_OR_OBJECT).any()
    if pl.scan_parquet(path).select(listed).collect().item():  # a layout makes one gold of it, or none
        return None
    read = {next((name for name in names if name in schema), "") for names in ALIASES.values()} | {"id"}
    rows = pl.scan_parquet(path).head(FIRST).collect().to_dicts()
    return pl.scan_parquet(path).select(pl.len()).collect().item(), layouts.unread(rows, read)


def _table(part: Sequence[layouts.Row], reader: Reader, first: int) -> pl.DataFrame:
    import polars as pl

    layout = reader.layout
    columns: dict[str, list[Any]] = {name: [] for name in ("problem", "answer", "source", "domain", "solve_rate", "left_out")}
    for number, row in enumerate(part, first + 1):
        found = reader.row(row)
        if found["left_out"]:
            reader.count(number, found["left_out"])
        source = layouts.first_of(row, layout.source)
        values: dict[str, object] = {
            **found,
            "source": None if source is None else str(source),
            "domain": domains(layouts.first_of(row, layout.domain)),
            "solve_rate": share(layouts.first_of(row, layout.solve_rate)),
        }
        for name, cells in columns.items():
            cells.append(values[name])
    text = pl.String
    return pl.DataFrame(
        columns,
        schema={"problem": text, "answer": text, "source": text, "domain": pl.List(text), "solve_rate": pl.Float64, "left_out": text},
    )


def read_items(rows: Iterable[layouts.Row], mapping: Mapping[str, str], where: str) -> tuple[list[Item], str, Reader]:
    """Items of a benchmark with a notice on how they were read; items that have no gold or come again are left out and counted."""
    rows = list(rows)
    if not rows:
        raise UserError(f"{where}: holds no problems; fetch the benchmark again")
    reader = Reader.of(rows[:FIRST], mapping, where)
    items: dict[str, Item] = {}
    texts: Counter[str] = Counter()
    for number, row in enumerate(rows, 1):
        if reader.is_outside(row):
            continue
        found = reader.row(row)
        problem, answer = found["problem"], found["answer"]
        if problem is None or answer is None:
            reader.count(number, str(found["left_out"]))
            continue
        given = layouts.first_of(row, reader.layout.id)
        label = identifier = str(number - 1 if given is None else given)
        item: Item = {"id": identifier, "problem": problem, "answer": answer}
        for name in ("domain", "difficulty"):
            value = layouts.first_of(row, getattr(reader.layout, name))
            if value is not None:
                item[name] = value
        if identifier in items and all(items[identifier][key] == item[key] for key in ("problem", "answer")):
            reader.count(number, "the item comes again")
            continue
        again = 1
        while identifier in items:
            again += 1
            identifier = item["id"] = f"{label}-{again}"
        items[identifier] = item
        texts[item["problem"]] += 1
    return list(items.values()), _notice(reader, len(rows), sum(count - 1 for count in texts.values())), reader


def _notice(reader: Reader, rows: int, repeated: int) -> str:
    notice = reader.notice
    if reader.outside:
        told = "; ".join(f"{reason} ({count})" for reason, count in reader.outside.items())
        notice += f"; {sum(reader.outside.values())} of {rows} rows are no items by the layout: {told}"
    if reader.reasons:
        notice += f"; {sum(reader.reasons.values())} of {rows} rows are left out: {reader.told()}"
    if repeated:
        notice += f"; {repeated} items have the problem of an earlier item under another id"
    return notice


def say(name: str, notice: str) -> None:
    """Tell the user what was recognised; it goes into the log of the rule."""
    print(f"notice: {name}: {notice}", file=sys.stderr, flush=True)
