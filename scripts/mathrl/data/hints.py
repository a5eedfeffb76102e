"""Hints: training prompts that carry the beginning of a worked solution, and not the answer.

A hint is whole reasoning steps, as the reward and the verifiers cut them. It ends before the first step with which the gold stands in
it, as far as `given_away` sees. So the grader pays for no run of eight tokens of it, and judges by the problem alone, with a hint as
without one.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

from mathrl.core import parquet
from mathrl.core.files import UserError
from mathrl.core.parquet import check_text, schema_of
from mathrl.data.given_away import GivenAway
from mathrl.data.records import DataSummary
from mathrl.judges.protocols import MARK
from mathrl.text.beginnings import beginnings
from mathrl.text.reasoning_steps import reasoning_steps
from mathrl.text.strange import LONGEST_SOLUTION, characters, markup

if TYPE_CHECKING:
    import polars as pl

BEFORE, BEHIND = "\n\nA solution begins like this:\n", "\n\nFinish this solution."
"""What stands around a hint, behind the problem."""
OTHER_RATE, NO_SOLUTION, NO_GOLD = "another solve rate", "no solution known", "no gold"
ONE_STEP, HOLDS_GOLD, OTHER_JUDGE = "a solution of one step", "the first step holds the answer", "a gold for another judge"
STRANGE, TOO_LONG = "characters or marks that no solution holds", "a solution too long to be looked through"
MAX_STEPS = 200
"""Of a solution, which may have `LONGEST_SOLUTION` characters."""


class HintCounts(TypedDict):
    """What became of the problems of a stage: the counts of `hinted` and `left_out` add up to its training problems.

    cut_shorter: hints with fewer steps than were asked for, because the next one held the answer. left_out: problems by reason.
    """

    solutions: str
    share: list[float]
    solve_rate: list[float] | None
    hinted: int
    cut_shorter: int
    left_out: dict[str, int]


class StageSummary(DataSummary):
    """`data.json` of a stage whose prompts may carry hints."""

    hints: NotRequired[HintCounts]


class Hint(NamedTuple):
    """The beginning of a solution: its text, how many steps it has, and how many were asked for."""

    text: str
    steps: int
    wanted: int


def cut(solution: str, gold: str, problem: str, share: float) -> Hint | str:
    """The beginning of a solution that may stand beside its problem, or why there is none.

    Args:
        share: of its steps, rounded; one step at least, and never the last one.
    """
    if len(solution) > LONGEST_SOLUTION:
        return TOO_LONG
    if characters(solution) or markup(solution):
        return STRANGE
    steps = reasoning_steps(solution)
    if not 2 <= len(steps) <= MAX_STEPS:
        return ONE_STEP if len(steps) < 2 else TOO_LONG
    if gold.startswith(MARK):
        return OTHER_JUDGE
    wanted = min(max(1, int(share * len(steps) + 0.5)), len(steps) - 1)
    given = GivenAway(gold, problem)
    clean = next((place for place, step in enumerate(steps[:wanted]) if given.holds(step)), wanted)
    return Hint(beginnings(solution, steps)[clean - 1].strip(), clean, wanted) if clean else HOLDS_GOLD


def share_of(name: str, low: float, high: float) -> float:
    """The share of its solution that a problem gets: by the hash of its id, evenly between both."""
    return low + (high - low) * int(hashlib.sha256(f"hint {name}".encode()).hexdigest()[:12], 16) / 16**12


def of(args: argparse.Namespace, training: pl.DataFrame) -> tuple[pl.DataFrame, HintCounts]:
    """The hints {id, hint, hint_steps, hint_request} of training problems, and what became of all of them.

    Of several solutions of a problem the first counts that a hint can be cut from. `hint_request` is the hash of the request that an
    entry of `augmentation` got the solution by; null in a file of the user's.

    Args:
        args: `--hints` and the options beside it, `--problems`.
        training: their `id` and `solve_rate`.

    Raises:
        UserError: no problem gets a hint, or a column is missing or holds no text.
    """
    import polars as pl

    low, high = args.hint_share
    rates: Sequence[float] | None = args.hint_solve_rate
    asked = training.filter(pl.col("solve_rate").is_between(*rates).fill_null(False)) if rates else training
    problems = pl.scan_parquet(args.problems).filter(pl.col("id").is_in(asked["id"].implode())).select("id", "problem", "answer").collect()
    known = _solutions(args.hints)
    left_out: Counter[str] = Counter({OTHER_RATE: len(training) - len(asked)})
    found: list[tuple[str, str, int, str | None]] = []
    shorter = 0
    for name, problem, answer in problems.iter_rows():
        share, why = share_of(name, low, high), NO_SOLUTION if answer is not None else NO_GOLD
        for solution, request in known.get(problem, ()) if answer is not None else ():
            hint = cut(solution, answer, problem, share)
            if isinstance(hint, Hint):
                found.append((name, hint.text, hint.steps, request))
                shorter += hint.steps < hint.wanted
                break
            why = hint
        else:
            left_out[why] += 1
    counts: HintCounts = {
        "solutions": str(args.hints), "share": [low, high], "solve_rate": list(rates) if rates else None, "hinted": len(found),
        "cut_shorter": shorter, "left_out": {reason: count for reason, count in sorted(left_out.items()) if count},
    }  # fmt: skip
    if not found:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in counts["left_out"].items())
        raise UserError(f"{args.hints}: no training problem gets a hint ({reasons}); its column problem must hold the problems' own texts")
    schema = {"id": pl.String, "hint": pl.String, "hint_steps": pl.Int64, "hint_request": pl.String}
    return pl.DataFrame(found, schema=schema, orient="row"), counts


def _solutions(path: Path) -> dict[str, list[tuple[str, str | None]]]:
    """Solutions with their requests by the text of the problem, in the order of the file."""
    import polars as pl

    columns = schema_of(path, ("problem", "solution"))
    request = ["request_sha256"] if "request_sha256" in columns else []
    found: dict[str, list[tuple[str, str | None]]] = {}
    check_text(path, columns, ("problem", "solution", *request))
    table = parquet.read(path, columns=["problem", "solution", *request])
    for problem, solution, *by in table.with_columns(pl.all().cast(pl.String)).iter_rows():
        if problem and solution:
            found.setdefault(problem, []).append((solution, by[0] if by else None))
    return found


def beside(rows: pl.DataFrame, hints: pl.DataFrame | None) -> pl.DataFrame:
    """Rows in verl's columns, those with a hint carrying it behind their problem and in `extra_info`; as they are where `hints` is None."""
    import polars as pl

    if hints is None:
        return rows
    own = rows.select(id=pl.col("extra_info").struct.field("id")).join(hints, on="id", how="left", maintain_order="left")
    turn = pl.col("prompt").list.first().struct
    tail = pl.concat_str(pl.lit(BEFORE), pl.col("hint"), pl.lit(BEHIND)).fill_null("")
    prompt = pl.struct(turn.field("role"), pl.concat_str(turn.field("content"), tail).alias("content"))
    return rows.with_columns(own["hint"], own["hint_steps"], own["hint_request"]).select(
        pl.concat_list(prompt).alias("prompt") if name == "prompt" else
        pl.col(name).struct.with_fields("hint", "hint_steps", "hint_request") if name == "extra_info" else pl.col(name)
        for name in rows.columns
    )  # fmt: skip
