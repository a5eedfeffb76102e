"""A study at work: how far each training is, at which pace, and when it is due; the page of such a study loads itself again."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from pathlib import Path

from mathrl.config.batches import total_steps
from mathrl.config.experiment import Configuration
from mathrl.config.runs import stages
from mathrl.core.files import read_object
from mathrl.core.tensorboard import by_step, event_files, read_scalars
from mathrl.report.records import ProgressRow, StageProgress
from mathrl.training.budget import SECONDS

RECENT = 20  # steps whose mean is the pace: responses grow longer, so old steps say little
REFRESH = 60  # seconds after which an open page loads itself again


def gather(results: Path, config: Configuration) -> list[ProgressRow]:
    """Stages without a manifest, in the order of training, one row each.

    {run, stage, state, done, steps, pace (seconds per step), hours (left), due, forecast (hours of the whole stage)}; what is not
    known is None. Files that are written at this moment count as not there.
    """
    rows: list[ProgressRow] = []
    for run in config.select:
        for stage in stages(config, run):
            if not (results / run / stage / "manifest.json").is_file():
                rows.append({"run": run, "stage": stage, **_stage(results, config, run, stage)})
    return rows


def _stage(results: Path, config: Configuration, run: str, stage: str) -> StageProgress:
    forecast = read_object(results / run / stage / "forecast.json")
    counts = read_object(results / run / stage / "data.json").get("counts", {})
    typed = config.stage(run, stage)
    steps = forecast.get("steps") or typed.steps or (total_steps(typed, counts["train"]) if counts.get("train") else None)
    hours = forecast.get("hours")
    row: StageProgress
    row = {"state": "waits", "done": 0, "steps": steps, "pace": None, "hours": hours, "due": None, "forecast": hours}
    logs = sorted((results.parent / "checkpoints" / run / stage).glob("*/tensorboard"), key=lambda path: path.stat().st_mtime)
    files = event_files(logs[-1]) if logs else []
    scalars = read_scalars(logs[-1], lambda tag: tag in SECONDS) if files else {}
    taken = [(step, sum(values.values())) for step, values in by_step(scalars)]
    if not taken:
        return {**row, "state": "starts"} if logs else row
    last = max(path.stat().st_mtime for path in files)
    pace = statistics.fmean(seconds for _, seconds in taken[-RECENT:])
    row |= {"state": f"step {taken[-1][0]} at {moment(last)}", "done": taken[-1][0], "pace": pace, "hours": None}
    if steps:
        left = max(0, steps - taken[-1][0]) * pace
        row |= {"hours": left / 3600, "due": moment(last + left)}
    return row


def moment(seconds: float) -> str:
    """A time in UTC, to the minute; `seconds` since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
