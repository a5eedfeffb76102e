"""Which directory of checkpoints a training owns: that of its fingerprint, or one that the user adopts.

An earlier directory is never renamed, rewritten or removed. Each is named, with what differs, where a new one is begun.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from mathrl.core import own_checksum
from mathrl.core.files import JsonObject, UserError, read_json, sha256_tree, write_checked_json
from mathrl.core.hashes import NOTE
from mathrl.training import checkpoints, fingerprints, resharding
from mathrl.training.records import Fingerprint

FILE = "fingerprint.json"
SHOWN = 12  # differences that a line names
# What only one of two schemes knows.
UNKNOWN = ("scheme", "code", "code_files", "reward_code", "grading_policy")


def read(directory: Path) -> Fingerprint:
    """The fingerprint of a directory.

    Raises:
        UserError: it is missing, or not as it was written: its hash is the directory's name.
    """
    found = read_json(directory / FILE)
    if own_checksum.holds(found) and fingerprints.name(found) == directory.name:
        return cast(Fingerprint, found)
    raise UserError(f"{directory / FILE}: is damaged: it is not what {directory.name} was named by")


def open_directory(root: Path, content: Fingerprint, adopt: str | None = None, model: Path | None = None) -> tuple[Path, list[str] | None]:
    """The directory below `root` for a fingerprint, made if new, or the one that the user adopts, with what differs there.

    Raises:
        UserError: there is nothing to adopt, or an earlier scheme trained the very same and nobody asked for another training.
    """
    own = root / fingerprints.name(content)
    if adopt and adopt != own.name:
        return root / adopt, _adopted(root / adopt, content)
    if own.exists():
        _mend(own, content)
        return own, None
    for line, asked in _others(root, content, model):
        print(f"{own}: new checkpoints; {line}", file=sys.stderr)
        if asked:
            raise UserError(asked)
    write_checked_json(own / FILE, dict(content))
    return own, None


def _mend(directory: Path, content: Fingerprint) -> None:
    """Write a damaged fingerprint again: its content is known, as the directory is named by it."""
    try:
        read(directory)
    except UserError as error:
        print(f"{error}; written again", file=sys.stderr)
        write_checked_json(directory / FILE, dict(content))


def _adopted(path: Path, content: Fingerprint) -> list[str]:
    if not (path / FILE).is_file():
        there = ", ".join(sorted(file.parent.name for file in path.parent.glob(f"*/{FILE}"))) or "none"
        raise UserError(f"training.adopt: {path} is no directory of checkpoints of this stage; there are: {there}")
    differs = differences(read(path), content)
    print(f"{path}: adopted, as training.adopt asks; called harmless: {shown(differs)}", file=sys.stderr)
    return differs


def _others(root: Path, content: Fingerprint, model: Path | None) -> Iterator[tuple[str, str]]:
    """Other directories, the newest first: a line about each, and with a question where nothing that teaches tells it from this one."""
    for file in sorted(root.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime, reverse=True):
        other = file.parent
        steps = checkpoints.last(other)
        try:
            old = read(other)
        except UserError as error:
            yield f"{error}; it is not compared, and kept", ""
            continue
        differs, asked = differences(old, content), ""
        if steps and old.get("scheme", 1) < fingerprints.SCHEME and not differences(*_comparable(old, content, model)):
            asked = (
                f"{other}: was trained up to step {steps} under an earlier scheme of fingerprints, which did not know the workflow's code; "
                f"nothing else differs, and nothing is trained again unasked: set training.adopt: '{other.name}' to go on with it, or move "
                "it away to train anew"
            )
        elif steps and differs and not differences(*_of_one_list(old, content)):
            new = ", ".join(sorted(content["versions"].keys() - old.get("versions", {}).keys()))
            asked = (
                f"{other}: was trained up to step {steps} by a commit whose fingerprints did not count the version of {new}; nothing else "
                f"differs, and nothing is trained again unasked: set training.adopt: '{other.name}' to go on with it, or move it away to "
                "train anew"
            )
        elif steps and resharding.only_gpus(differs):
            go_on = f"set training.adopt: '{other.name}' and training.reshard: true to go on from its weights with a fresh optimizer, "
            asked = (
                f"{other}: was trained up to step {steps} by another number of GPUs; nothing else differs, and nothing is trained again "
                f"unasked: {'' if content['algorithm'] == 'supervised' else go_on}use as many GPUs as before, or move it away to train anew"
            )
        yield f"{other} is kept (up to step {steps}), it differs in: {shown(differs)}", asked


def _comparable(old: Fingerprint, new: Fingerprint, model: Path | None) -> tuple[JsonObject, JsonObject]:
    """What two schemes both know, in one form."""
    first, second = ({key: value for key, value in one.items() if key not in UNKNOWN} for one in (old, new))
    second["versions"] = {package: version for package, version in new["versions"].items() if package in old.get("versions", {})}
    second["verl"] = {key: old.get("verl", {}).get(key) if str(value).startswith("code ") else value for key, value in new["verl"].items()}
    if "reward" in new:  # user's terms were named, and are known by their code now
        second["reward"] = old.get("reward") if _plain_terms(old) == _plain_terms(new) else new["reward"]
    if model and model.is_dir() and old.get("model_sha256") == sha256_tree(model, ignore=("*.md", NOTE)):
        second["model_sha256"] = old["model_sha256"]  # hidden files counted
    return first, second


def _of_one_list(old: Fingerprint, new: Fingerprint) -> tuple[Fingerprint, Fingerprint]:
    """The same without the versions that only the later one's commit counts."""
    known = old.get("versions", {})
    return old, {**new, "versions": {package: version for package, version in new["versions"].items() if package in known}}


def _plain_terms(content: Fingerprint) -> dict[str, JsonValue]:
    terms = content.get("reward", {}).get("terms", {})
    return {term.rpartition(":")[2]: weight for term, weight in terms.items()}


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """What differs, a text each; of two files of code only that they do."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = set(old) | set(new)
        if "code_files" in old and "code_files" in new:
            names -= {"code"}  # the hash of these files' hashes
        begin = f"{prefix}." if prefix else ""
        return [line for name in sorted(names) for line in differences(old.get(name), new.get(name), begin + name)]
    if old == new:
        return []
    if prefix.startswith("code_files."):
        return [prefix.replace("code_files.", "code of ") + (" (new)" if old is None else " (gone)" if new is None else "")]
    return [prefix] if isinstance(old, Mapping) or isinstance(new, Mapping) else [f"{prefix} ({old} → {new})"]


def shown(differs: list[str]) -> str:
    """Differences in one line."""
    more = f", and {len(differs) - SHOWN} more" if len(differs) > SHOWN else ""
    return ", ".join(differs[:SHOWN]) + more or "nothing that is recorded"
