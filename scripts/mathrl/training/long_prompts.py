"""Prompts that are too long are left out once per stage, not at each start of verl.

verl tokenizes every prompt in one process each time that it starts: minutes for 215,000. Here a tokenizer counts thousands at once,
and what was found stays beside the checkpoints. verl gets the same rows in the same order, so this is no part of a stage's fingerprint.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from mathrl.core import parquet
from mathrl.core.files import UserError, atomic_path, read_checked_json, sha256_file, sha256_json, write_checked_json
from mathrl.training.plan import StagePlan
from mathrl.verl.keys import Overrides

NOTE = "prompts.json"
AT_ONCE = 2000  # prompts
# What of the user's own keys for verl decides how a prompt is made into tokens, or which rows are read: verl then does it all itself.
OWN = ("data.", "actor_rollout_ref.model.")


def keys(plan: StagePlan, directory: Path) -> Overrides:
    """verl's keys for a stage whose prompts are checked: files without prompts that are too long, beside the checkpoints in `directory`.

    Raises:
        UserError: every training prompt is too long.
    """
    if any(key.lstrip("+").startswith(OWN) for key in plan.stage.verl):
        return {}
    limit = plan.stage.max_prompt_length
    files = {"train": plan.train_file, "val": plan.validation_file}
    tokenizer = {path.name: sha256_file(path) for path in sorted(plan.model.iterdir()) if "token" in path.name or "template" in path.name}
    tokenizer |= {path.name: sha256_file(path) for path in sorted(plan.model.glob("*vocab*"))}
    asked = sha256_json([limit, tokenizer, {name: sha256_file(path) for name, path in files.items()}])
    found = _read(directory / NOTE, asked)
    if found is None:
        found = {name: leave_out(path, plan.model, limit, _short(directory, name)) for name, path in files.items()}
        written = {name: sha256_file(_short(directory, name)) for name, count in found.items() if count}
        write_checked_json(directory / NOTE, {"schema_version": 2, "asked": asked, "too_long": found, "sha256": written})
        if found["train"]:
            print(f"{plan.name}: {found['train']} prompts of more than {limit} tokens are left out (max_prompt_length)", file=sys.stderr)
    here = {name: str(_short(directory, name) if found[name] else path) for name, path in files.items()}
    return {"data.train_files": here["train"], "data.val_files": here["val"], "data.filter_overlong_prompts": False}


def _read(note: Path, asked: str) -> Mapping[str, int] | None:
    """What was found before by the same tokenizer in the same files; None where a file is lost or damaged, or was never hashed."""
    if not note.exists():
        return None
    try:
        known = read_checked_json(note)
    except UserError as error:
        print(f"{error}; made again", file=sys.stderr)
        return None
    if known["asked"] != asked or "sha256" not in known:
        return None
    for name, sha256 in known["sha256"].items():
        path = _short(note.parent, name)
        if not path.exists() or sha256_file(path) != sha256:
            print(f"{path}: is damaged: it is not as it was written; made again", file=sys.stderr)
            return None
    return known["too_long"]


def _short(directory: Path, name: str) -> Path:
    """Where the rows that fit are written."""
    return directory / f"{name}.short.parquet"


def leave_out(rows: Path, model: Path, limit: int, out: Path) -> int:
    """Write the rows (verl's columns) whose prompts have at most `limit` tokens to `out`, where any has more; returns how many have.

    Tokens are counted as verl does: the model's chat template, with the beginning of an answer.

    Raises:
        UserError: no row is left.
    """
    import polars as pl
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    fits: list[bool] = []
    for part in parquet.read(rows, columns=["prompt"]).iter_slices(AT_ONCE):
        texts = [tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False) for turns in part["prompt"].to_list()]
        fits += [len(tokens) <= limit for tokens in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    if not any(fits):
        raise UserError(f"{rows}: every prompt has more than {limit} tokens; raise training.max_prompt_length")
    if not all(fits):
        with atomic_path(out) as temporary:
            pl.read_parquet(rows).filter(pl.Series(fits)).write_parquet(temporary)
    return fits.count(False)
