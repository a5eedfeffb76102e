"""Which files a Python file of ours imports: what a result's code is, without running any of it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from pathlib import Path

from mathrl.core.files import UserError

SCRIPTS = Path(__file__).resolve().parents[2]
ROOT = SCRIPTS.parent  # the repository


def module_files(name: str, root: Path) -> set[Path]:
    """Files below `root` that `import name` reads: the module's own and its packages' `__init__.py`; none if it is not there."""
    parts = name.split(".")
    bases = (root.joinpath(*parts[:end]) for end in range(1, len(parts) + 1))
    return {file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}


@functools.cache
def direct(path: Path, root: Path) -> frozenset[Path]:
    """Files below `root` that a file imports, at any depth of its code.

    Raises:
        UserError: the file is no Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python ({error}); mend it") from None
    found: set[Path] = set()
    package = path.parent.relative_to(root).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else ()
            prefix = (*parent, *([node.module] if node.module else []))
            names = [".".join((*prefix, alias.name)) for alias in node.names] + [".".join(prefix)]
        else:
            continue
        for name in names:
            found |= module_files(name, root)
    return frozenset(found)


def closure(paths: Iterable[Path], root: Path) -> set[Path]:
    """The files and every file below `root` that they import, directly or through others."""
    todo, seen = list(paths), set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(direct(path, root))
    return seen
