"""Data files that a user's code reads by a name which stands in it: they count as the code does.

A name is a text, or texts that `/`, `joinpath`, `os.path.join` or `Path` put together. It is looked for from the code's own folder and from
the working directory; what lies elsewhere than in that folder, or is made by the workflow, is left out. Names that are made while the
code runs are not known.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mathrl.core.imported_names import parse, remembered

JOINS = ("join", "joinpath", "Path", "PurePath")
MADE = ("results", "checkpoints", "logs", ".snakemake")  # in the working directory
LONGEST = 200  # letters of a name
_MADE_BY = hashlib.sha256(Path(__file__).read_bytes()).digest()


def named_files(paths: Iterable[Path]) -> set[Path]:
    """The data files that these files of Python name."""
    return {file for path in paths for file in _named(path)}


def _named(path: Path) -> Iterator[Path]:
    folder, here = Path(os.path.normpath(path.absolute().parent)), Path.cwd()
    made = tuple(here / name for name in MADE)
    for name in remembered(_MADE_BY, path.read_bytes(), _names):
        for place in (folder, here):
            file = Path(os.path.normpath(place / name))
            inside = file.is_relative_to(folder) and not any(file.is_relative_to(other) for other in made)
            if inside and os.path.isfile(file):  # which tells of a name that is too long, or closed to us, by False
                yield file


def _names(text: str) -> Iterator[str]:
    for name in map(_name, ast.walk(parse(text))):
        if ("." in name or "/" in name) and len(name) <= LONGEST and name.isprintable() and not name.endswith(".py"):
            yield name


def _name(node: ast.AST) -> str:
    """The name that an expression ends in: its last texts, joined; "" where it ends in none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _joined([node.left, node.right])
    if isinstance(node, ast.Call) and _called(node.func) in JOINS:
        return _joined(node.args)
    return ""


def _joined(parts: list[ast.expr]) -> str:
    found: list[str] = []
    for part in reversed(parts):
        name = _name(part)
        if not name:
            break
        found.insert(0, name)
    return "/".join(found)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
