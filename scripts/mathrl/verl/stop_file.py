"""What the process that follows a trainer and verl's driver tell each other: the end after the step at work is asked for by a file
in the checkpoint directory, the number of steps is announced by a line of the log."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.files import write_text

PAUSE = "pause"  # save, so that the same command goes on from there
FINISH = "finish"  # save and validate: training is over
ABANDON = "abandon"  # neither: what was learnt last is not wanted

TOTAL = "mathrl: total steps "  # how the driver's log announces the number of steps
LOADED = "mathrl: validates"  # in the same way: nothing is loaded any more, and a validation prints nothing until it ends

_FILE = "stop"


def ask(directory: Path, kind: str) -> None:
    """Ask for an end; a later call changes its kind, but an asked-for pause stays one."""
    if asked(directory) != PAUSE:
        write_text(directory / _FILE, kind)


def asked(directory: Path) -> str | None:
    """The kind of end that was asked for, or None."""
    try:
        return (directory / _FILE).read_text().strip()
    except FileNotFoundError:
        return None


def clear(directory: Path) -> None:
    """Forget what was asked; for the start of a training process."""
    (directory / _FILE).unlink(missing_ok=True)
