"""Labelled steps of training problems as the dialogues that verl's SFT dataset reads."""

from __future__ import annotations

from pathlib import Path

from mathrl.core import parquet
from mathrl.core.files import UserError, atomic_path


def holds_dialogues(solutions: Path) -> bool:
    """Are these labelled steps (`mathrl.verifiers.label_files`), not solutions? What cannot be read is left to who reads it all."""
    try:
        return solutions.is_file() and "messages" in parquet.schema_of(solutions)
    except UserError:
        return False


def write_messages(train_file: Path, labels: Path, out: Path) -> int:
    """Write the dialogues about problems of the train file, in the order of `labels`; returns how many.

    Problems that are not in it (held out, or removed as contaminated) are left out.

    Raises:
        UserError: there is none.
    """
    import polars

    given = parquet.read(labels)
    problems = parquet.read(train_file)["extra_info"].struct.field("original_problem").unique()
    kept = given.filter(polars.col("problem").is_in(problems.to_list()))
    if not len(kept):
        raise UserError(f"{labels}: none of its steps is of a training problem of this run; raise verifiers.labels.problems")
    with atomic_path(out) as temporary:
        kept.select("messages").write_parquet(temporary)
    return len(kept)
