"""Which commit trained which steps: written beside the checkpoints when training begins or goes on, and never rewritten.

A file per start of the trainer, `trained_by/{number}-after-{step}.json`: the last step before it stands in its name. A manifest may be
written much later, by another commit; that is another provenance.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, read_checked_json, write_checked_json
from mathrl.core.provenance import Provenance
from mathrl.training.records import Fingerprint, Resharded, TrainedBy, Trainer

FOLDER = "trained_by"
SAME = ("git_commit", "image", "versions", "code", "fingerprint", "harmless", "resharded")  # starts that agree in these are one entry


def begin(
    directory: Path,
    after: int,
    provenance: Provenance,
    content: Fingerprint,
    fingerprint: str,
    harmless: Any,
    resharded: Resharded | None = None,
) -> None:
    """Note a start of the trainer.

    Args:
        directory: of the checkpoints.
        after: the step from which it goes on.
        provenance: of the training, as every result has it.
        content: its fingerprint; `fingerprint` is the name of that.
        harmless: what differs from the directory's own fingerprint, where the user said that it does not matter.
        resharded: how many GPUs saved the weights that it goes on from, where those were others (mathrl.training.resharding).
    """
    number = 1 + max((int(path.name.split("-")[0]) for path in (directory / FOLDER).glob("*-after-*.json")), default=0)
    entry = {"schema_version": 1, "code": content["code"], "fingerprint": fingerprint, "harmless": harmless, "provenance": dict(provenance)}
    entry |= {"resharded": dict(resharded)} if resharded else {}
    write_checked_json(directory / FOLDER / f"{number:04d}-after-{after}.json", entry)


def told(directory: Path, last: int) -> list[TrainedBy]:
    """Who trained the steps 1 to `last`, in order: `first_step`, `last_step`, commit, image, versions, code and inputs of each.

    Steps before the first note, and those of a damaged one, have the commit `unknown`.
    """
    notes = [(int(path.stem.rpartition("-")[2]), _entry(path)) for path in sorted((directory / FOLDER).glob("*-after-*.json"))]
    if not notes or notes[0][0] > 0:
        notes.insert(0, (0, {"git_commit": "unknown", "why": "trained before this was noted"}))
    ends = [after for after, _ in notes[1:]] + [last]
    found: list[TrainedBy] = []
    for (after, entry), end in zip(notes, ends, strict=True):
        while found and found[-1]["last_step"] > after:  # these steps were lost and trained again
            found[-1]["last_step"] = after
            if found[-1]["first_step"] > after:
                found.pop()
        if min(end, last) <= after:
            continue
        if found and all(found[-1].get(key) == entry.get(key) for key in SAME):
            found[-1]["last_step"] = min(end, last)
        else:
            found.append({"first_step": after + 1, "last_step": min(end, last), **entry})
    return found


def _entry(path: Path) -> Trainer:
    try:
        noted = read_checked_json(path)
    except UserError as error:
        print(f"{error}; the commit of its steps is unknown", file=sys.stderr)
        return {"git_commit": "unknown", "why": f"{path.name} is damaged"}
    provenance = noted.pop("provenance")
    del noted["schema_version"]
    return noted | provenance
