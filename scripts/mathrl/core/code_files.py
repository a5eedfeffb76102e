"""Which files a Python file of ours imports: what a result's code is, without running any of it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from pathlib import Path

from mathrl.core import imported_names
from mathrl.core.files import UserError

SCRIPTS = Path(__file__).resolve().parents[2]
ROOT = SCRIPTS.parent  # the repository


@functools.cache
def module_files(name: str, root: Path) -> frozenset[Path]:
    """Files below `root` that `import name` reads: the module's own and its packages' `__init__.py`; none if it is not there."""
    package, _, own = name.rpartition(".")
    base = root.joinpath(*package.split("."), own) if package else root / own
    here = {file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}
    return frozenset(here | module_files(package, root) if package else here)


def module_file(name: str, *roots: Path) -> Path | None:
    """The module's own file among them, below the first of `roots` that has it."""
    bases = [root.joinpath(*name.split(".")) for root in roots if name]
    return next((file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def absolute_name(node: ast.ImportFrom, path: Path, *roots: Path) -> str:
    """The module from which a statement of the file `path` imports."""
    parent = _above(_package(path, *roots), node.level)
    return ".".join((*parent, *([node.module] if node.module else [])))


def _package(path: Path, *roots: Path) -> tuple[str, ...]:
    root = next(root for root in roots if path.is_relative_to(root))
    return path.parent.relative_to(root).parts


def _above(package: tuple[str, ...], level: int) -> tuple[str, ...]:
    """The package at which a relative import of so many dots begins; none for an absolute one."""
    return package[: len(package) - level + 1] if level else ()


@functools.cache
def direct(path: Path, *roots: Path) -> frozenset[Path]:
    """Files below `roots` that a file below one of them imports, at any depth of its code.

    Raises:
        UserError: the file is no Python.
    """
    try:
        names = imported_names.imported(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python ({error}); mend it") from None
    found: set[Path] = set()
    for name in names:
        own = name.lstrip(".")
        level = len(name) - len(own)
        module = ".".join(filter(None, (*_above(_package(path, *roots), level), own))) if level else name
        for root in roots if module else ():
            if _is_here(module.partition(".")[0], root):
                found |= module_files(module, root)
    return frozenset(found)


@functools.cache
def _is_here(top: str, root: Path) -> bool:
    """Whether a package or module of that name lies in `root`; of most imports none does."""
    return (root / top).is_dir() or (root / f"{top}.py").is_file()


def closure(paths: Iterable[Path], *roots: Path) -> set[Path]:
    """The files and every file below `roots` that they import, directly or through others."""
    todo, seen = list(paths), set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(direct(path, *roots))
    return seen
