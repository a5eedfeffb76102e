"""Problem texts that a licence does not let travel: taken out so that whoever has the texts can put them back.

Ids, gold answers and hashes stay. A response that repeats its problem keeps its own words; the repeated run is cut out, and the place
of the cut names the characters of the problem that belong there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from mathrl.core.files import UserError, sha256_text
from mathrl.crate.records import CutSample, WithheldItem
from mathrl.data.records import Item, Sample
from mathrl.judges.protocols import MARK

if TYPE_CHECKING:
    import polars as pl

SHORTEST = 40
"""Characters in a row that count as text of the problem; shorter runs are names, numbers and phrases."""
KEPT = ("id", "answer", "domain", "difficulty")
HASH: Final = "problem_sha256"
CUT: Final = "cut"


def item_without_text(row: Item) -> WithheldItem:
    """A benchmark item whose problem is empty and known by its hash."""
    given: Mapping[str, object] = row
    kept = {key: given[key] for key in KEPT if key in given}
    kept |= {"answer": gold_without_text(row["answer"]), "problem": "", HASH: sha256_text(row["problem"])}
    return cast("WithheldItem", kept)


def gold_without_text(answer: str) -> str:
    """The gold answer; one for a judge, which may hold the problem, becomes its hash."""
    return f'{MARK}null, "sha256": "{sha256_text(answer)}"}}' if answer.startswith(MARK) else answer


def cut(text: str, problem: str) -> tuple[str, list[list[int]]]:
    """`text` without what it repeats of `problem`, and the cuts [place in what is left, first, end in the problem]."""
    size = min(SHORTEST, len(problem))
    if not size:
        return text, []
    runs: dict[str, int] = {}
    for first in range(len(problem) - size + 1):
        runs.setdefault(problem[first : first + size], first)
    left: list[str] = []
    cuts: list[list[int]] = []
    place = kept = done = 0
    while place <= len(text) - size:
        begin = runs.get(text[place : place + size])
        if begin is None:
            place += 1
            continue
        end, stop = begin + size, place + size
        while end < len(problem) and stop < len(text) and problem[end] == text[stop]:
            end, stop = end + 1, stop + 1
        left.append(text[done:place])
        kept += place - done
        cuts.append([kept, begin, end])
        place = done = stop
    return "".join([*left, text[done:]]), cuts


def restore(text: str, cuts: Any, problem: str, where: str) -> str:
    """The text before `cut`.

    Raises:
        UserError: the cuts do not fit the text or the problem.
    """
    parts: list[str] = []
    done = 0
    entries: list[Any] = cuts if isinstance(cuts, list) else [None]  # a stranger's
    for entry in entries:
        numbers = isinstance(entry, list) and len(entry) == 3 and all(type(number) is int for number in entry)
        if not numbers or not done <= entry[0] <= len(text) or not 0 <= entry[1] < entry[2] <= len(problem):
            raise UserError(f"{where}: a cut does not fit its problem; the crate is damaged")
        parts += [text[done : entry[0]], problem[entry[1] : entry[2]]]
        done = entry[0]
    return "".join([*parts, text[done:]])


def sample_without_text(row: Sample, problem: str) -> CutSample:
    """A sample whose response repeats nothing of its problem; the key `cut` says what stood where."""
    response, cuts = cut(row["response"], problem)
    return {**row, "response": response, CUT: cuts} if cuts else {**row}


def sample_with_text(row: CutSample, problem: str, where: str) -> Sample:
    """The sample as it was made."""
    whole = cast("Sample", {key: value for key, value in row.items() if key != CUT})
    return {**whole, "response": restore(row["response"], row[CUT], problem, where)} if CUT in row else whole


def matches_without_text(table: pl.DataFrame, benchmarks: set[str], dataset: bool) -> pl.DataFrame:
    """Matches whose evidence is a hash where it quotes a withheld benchmark, or everywhere where the dataset itself is withheld."""
    import polars as pl

    if "evidence" not in table.columns:
        return table
    hashed = pl.col("evidence").map_elements(lambda text: f"sha256:{sha256_text(text)}", return_dtype=table.schema["evidence"])
    concerned = pl.lit(True) if dataset else pl.col("benchmark").is_in(sorted(benchmarks))
    return table.with_columns(pl.when(concerned).then(hashed).otherwise(pl.col("evidence")).alias("evidence"))


def without_quotes(value: Any, problems: Mapping[str, str]) -> Any:
    """A JSON value in whose texts an ellipsis stands for what they repeat of any of the problems of its own `id`."""
    if isinstance(value, list):
        return [without_quotes(part, problems) for part in value]
    if not isinstance(value, dict):
        return value
    problem = problems.get(str(value.get("id")), "")
    return {key: _quoteless(part, problem) if problem else without_quotes(part, problems) for key, part in value.items()}


def _quoteless(value: Any, problem: str) -> Any:
    if isinstance(value, dict):
        return {key: _quoteless(part, problem) for key, part in value.items()}
    if isinstance(value, list):
        return [_quoteless(part, problem) for part in value]
    if not isinstance(value, str) or len(value) < SHORTEST:
        return value
    left, cuts = cut(value, problem)
    for place, *_ in reversed(cuts):
        left = f"{left[:place]}…{left[place:]}"
    return left
