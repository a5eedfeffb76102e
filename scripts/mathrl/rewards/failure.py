"""How a reward that cannot be computed ends a training: by a file beside the checkpoints.

verl logs what a reward raises and goes on without the sample. So the reward worker writes down what failed, and the trainer looks for it
after each batch (`mathrl.verl.reward_failure`). The first failure stays.
"""

from __future__ import annotations

from pathlib import Path

from mathrl.core import users_code
from mathrl.core.files import UserError

NAME = "reward_failed"


def note(path: Path, why: str) -> None:
    """Write down, in one line, what failed; nothing where a failure is noted already."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(" ".join(why.split()) + "\n")
    except FileExistsError:
        pass


def note_error(path: Path, error: Exception) -> None:
    """Write down an exception: a message of ours as it is, any other one with its kind."""
    ours = isinstance(error, UserError | ValueError)  # terms that cannot be loaded are a ValueError
    note(path, str(error) if ours else f"the reward failed: {users_code.told(error)}")


def noted(path: Path) -> str | None:
    """What failed, or None."""
    try:
        return path.read_text(encoding="utf-8").strip() or "a reward could not be computed"
    except FileNotFoundError:
        return None


def clear(path: Path) -> None:
    """Forget it; for the start of a training process."""
    path.unlink(missing_ok=True)
