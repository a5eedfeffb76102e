"""When the problems of a benchmark were published, when a model was, and which benchmarks are younger than which model.

Dates are the column `published` of the table of downloads: YYYY, YYYY-MM or YYYY-MM-DD. A benchmark is younger than a model where the
first day that its date allows is after the last day that the model's allows: what is marked as younger is so for certain.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from mathrl.config.experiment import Configuration
from mathrl.core.files import UserError

if TYPE_CHECKING:
    from typing_extensions import ReadOnly

MARK = "†"
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def checked(text: str, where: str) -> str:
    """A date as the table of downloads holds it, or nothing; `UserError` for anything else."""
    if not text:
        return ""
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        datetime.date.fromisoformat(text + "0000-01-01"[len(text) :])
    except ValueError:
        raise UserError(f"{where}: published '{text}' is no date; write YYYY, YYYY-MM or YYYY-MM-DD") from None
    return text


def is_younger(benchmark: str, model: str) -> bool:
    """Whether a benchmark's date is after a model's, whatever their unknown months and days are; not where one has no date."""
    return bool(benchmark and model) and benchmark + "0000-01-01"[len(benchmark) :] > model + "0000-12-31"[len(model) :]


class Row(TypedDict):
    """What notes below a score table read of its rows."""

    model: ReadOnly[str]
    kind: ReadOnly[str]
    younger: ReadOnly[list[str]]


@dataclass(frozen=True)
class Dates:
    """Dates of a study's benchmarks and of the models of its rows, as far as they are known."""

    benchmarks: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Configuration, published: Mapping[str, str]) -> Dates:
        """Of a configuration, with the dates of the table of downloads by name. A run is as old as the base model that it starts from."""
        benchmarks = {name: date for name in config.benchmarks if (date := published.get(name))}
        sources = {"base": config.base_model, **dict.fromkeys(config.select, config.base_model), **config.models}
        return cls(benchmarks, {row: date for row, name in sources.items() if (date := published.get(name))})

    @classmethod
    def read(cls, text: str) -> Dates:
        """From `written`; `UserError` where the text is something else."""
        try:
            value = json.loads(text)
            parts = [
                {str(name): checked(str(date), "--dates") for name, date in value.get(key, {}).items()} for key in ("benchmarks", "models")
            ]
        except (ValueError, AttributeError):
            raise UserError(
                f'--dates: {text[:60]!r} is not of the form {{"benchmarks": {{NAME: DATE}}, "models": {{NAME: DATE}}}}'
            ) from None
        return cls(*parts)

    def written(self) -> str:
        """As JSON, for the command line."""
        return json.dumps({"benchmarks": dict(self.benchmarks), "models": dict(self.models)}, sort_keys=True)

    def model(self, row: str) -> str:
        """The date of a row of the score table; a checkpoint `run@…` has its run's."""
        return self.models.get(row.partition("@")[0], "")

    def younger(self, row: str) -> list[str]:
        """The benchmarks that are younger than the model of a row."""
        return [name for name, date in self.benchmarks.items() if is_younger(date, self.model(row))]

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """What stands below a score table: what the mark means, and which models or benchmarks have no date."""
        if not self.benchmarks:
            return []
        shown = {row["model"].partition("@")[0]: None for row in rows if row["kind"] in ("measured", "checkpoint")}
        told = []
        if any(row["younger"] for row in rows):
            dated = ", ".join(f"{name} {date}" for name in shown if (date := self.model(name)))
            told.append(f"{MARK} The benchmark was published after the model of its row ({dated}), whose pretraining cannot hold it.")
        without = [name for name in shown if not self.model(name)]
        if without:
            told.append(f"No date is known of {', '.join(without)}: no benchmark is marked as younger there.")
        return told
