"""Where every run stands, as lines of a terminal: at most 100 columns each, and nothing of a log commands the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from mathrl.core.files import printable
from mathrl.execution import recovery, snakemake_log
from mathrl.training.status import Standing, standings

WIDTH = 100
LONGEST_NAME = 24
COLUMNS = (("STATE", 8), ("STEP", 15), ("REWARD", 10), ("DEV ACCURACY", 26), ("LEFT", 8))
STYLES = {"training": "green", "trained": "bold", "failed": "red", "silent": "yellow", "ended": "yellow", "queued": "cyan"}
NORMAL = 1.959964  # quantile of a 95 % interval


def lines(root: Path) -> Iterator[Text]:
    """A line per run, and below it what it flagged and its last error; first what Snakemake does."""
    called = snakemake_log.newest(root)
    yield _cut(_snakemake(root, called), "dim")
    found = standings(root)
    if not found:
        yield _cut("no run has data or checkpoints here yet", "")
    else:
        width = min(LONGEST_NAME, max(3, *(cell_len(_name(one)) for one in found)))
        heads = "  ".join([set_cell_size("RUN", width), *(set_cell_size(head, size) for head, size in COLUMNS)])
        yield _cut(heads, "dim")
        for one in found:
            yield from _of_run(one, width)
    runs = {one.run for one in found if one.error}
    for failure in called.failures if called else ():
        if not any(Path(name).parts[1:2] == (run,) for name in failure.outputs for run in runs) and not _made_since(root, failure):
            yield _cut(f"{failure.rule} failed: {snakemake_log.in_words(root, failure)}", "red")


def _made_since(root: Path, failure: snakemake_log.Failure) -> bool:
    return bool(failure.outputs) and all((root / name).exists() for name in failure.outputs)


def _snakemake(root: Path, called: snakemake_log.Progress | None) -> str:
    pid = recovery.live_snakemake(root.resolve())
    state = f"at work (pid {pid})" if pid else "not at work on this host"
    steps = f", {called.done} of {called.planned} jobs done in its last call" if called and called.planned else ""
    return f"Snakemake is {state}{steps}: {root}"


def _of_run(one: Standing, width: int) -> Iterator[Text]:
    cells = (one.state, _steps(one), _reward(one), _accuracy(one), _duration(one.left))
    parts = [set_cell_size(_shortened(_name(one), width), width)]
    parts += [set_cell_size(cell, size) for cell, (_, size) in zip(cells, COLUMNS, strict=True)]
    yield _cut("  ".join(parts), STYLES.get(one.state, ""))
    if one.silent is not None and (one.state == "silent" or one.silent > 3600):
        yield _cut(f"  verl's last line is {_duration(one.silent)} old", "yellow")
    for flag in one.flags:
        yield _cut(f"  {flag}", "yellow")
    if one.why and one.why not in one.flags:
        yield _cut(f"  ended early: {one.why}", "yellow")
    if one.error:
        yield from _wrapped(f"error: {one.error}", "red")


def _name(one: Standing) -> str:
    return one.run if one.stage == "main" else f"{one.run}/{one.stage}"


def _steps(one: Standing) -> str:
    return "–" if one.step is None else f"{one.step}" + (f" of {one.total}" if one.total else "")


def _reward(one: Standing) -> str:
    if one.loss is not None:
        return f"loss {one.loss:.3f}"
    return "–" if one.reward is None else f"{one.reward:.3f}"


def _accuracy(one: Standing) -> str:
    """With Wilson's 95 % interval over the problems; `statistics.intervals` needs SciPy, which Snakemake's environment lacks."""
    if one.dev is None:
        return "–"
    if not one.dev_problems or not 0 <= one.dev <= 1:
        return f"{one.dev:.3f}"
    size, square = one.dev_problems, NORMAL**2
    centre = (one.dev + square / (2 * size)) / (1 + square / size)
    half = NORMAL / (1 + square / size) * math.sqrt(one.dev * (1 - one.dev) / size + square / (4 * size**2))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return f"{one.dev:.3f} {low:.2f}–{high:.2f} n={one.dev_problems}"


def _duration(seconds: float | None) -> str:
    """Days and hours, hours and minutes, or minutes."""
    if seconds is None or not 0 <= seconds < 1e8:
        return "–"
    minutes = round(seconds / 60)
    if minutes >= 1440:
        return f"{minutes // 1440}d {minutes % 1440 // 60:02d}h"
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 60 else f"{minutes} min"


def _shortened(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _cut(text: str, style: str) -> Text:
    return Text(_shortened(printable(text), WIDTH).rstrip(), style=style)


def _wrapped(text: str, style: str, most: int = 3) -> Iterator[Text]:
    """A text in lines of at most WIDTH columns, the last of `most` cut off."""
    words, line, told = printable(" ".join(text.split())).split(" "), " ", 0
    while words:
        if told == most - 1 or cell_len(f"{line} {words[0]}") <= WIDTH or line == " ":
            line = f"{line} {words.pop(0)}"
            continue
        yield _cut(line, style)
        line, told = "   ", told + 1
    yield _cut(line, style)
