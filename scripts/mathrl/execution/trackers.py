"""Trackers beside TensorBoard: where they write, that they stay offline without a key, and whether their packages are there.

Keys come from the environment alone. What the user has set there (a server, a mode, a folder) stays.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from mathrl.core.files import UserError

# What says that a tracker may send, and how it is told to send nothing.
KEYS = {"wandb": "WANDB_API_KEY", "swanlab": "SWANLAB_API_KEY"}
OFFLINE = {"wandb": {"WANDB_MODE": "offline"}, "swanlab": {"SWANLAB_MODE": "offline"}}
ONLINE = {"swanlab": {"SWANLAB_MODE": "online"}}  # verl's own default has the name of an earlier version

_ASK = "import importlib.util, sys\nprint(*(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))"


def environment(trackers: Iterable[str], directory: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Variables for processes that write to `trackers`: local stores below `directory`, offline where no key is `given`.

    mlflow and trackio send only where MLFLOW_TRACKING_URI or TRACKIO_SPACE_ID is set.
    """
    place = directory.resolve()
    stores = {
        "wandb": {"WANDB_DIR": str(place)},
        "swanlab": {"SWANLAB_LOG_DIR": str(place / "swanlog"), "SWANLAB_LOGDIR": str(place / "swanlog")},
        "mlflow": {"MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"},
        "trackio": {"TRACKIO_DIR": str(place / "trackio")},
    }
    found: dict[str, str] = {}
    for name in trackers:
        found |= stores.get(name, {})
        has_key = name in KEYS and given.get(KEYS[name], "").strip()
        found |= ONLINE.get(name, {}) if has_key else OFFLINE.get(name, {})
    return {key: value for key, value in found.items() if key not in given}


def check_packages(trackers: Iterable[str], python: str | None, lock: Path) -> None:
    """Refuse a tracker whose package the jobs would not find.

    Args:
        trackers: names, which are those of the packages.
        python: of the jobs' environment; None where they run in an image.
        lock: of that image, `name==version` lines.

    Raises:
        UserError: the first that is missing.
    """
    names = sorted(set(trackers))
    if not names:
        return
    if python is None:
        text = lock.read_text(encoding="utf-8")
        missing = [name for name in names if not re.search(rf"(?m)^{re.escape(name)}==", text)]
        where, remedy = f"the image of {lock}", "lock it and make the image again (make lock containers)"
    else:
        asked = subprocess.run([python, "-c", _ASK, *names], capture_output=True, text=True, check=True)
        missing = asked.stdout.split()
        where, remedy = f"the environment of {python}", "make env installs it"
    if missing:
        raise UserError(f"config: trackers: the package {missing[0]} is not in {where}; {remedy}, or remove it from trackers")
