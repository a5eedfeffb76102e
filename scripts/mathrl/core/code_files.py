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


def module_file(name: str, *roots: Path) -> Path | None:
    """The module's own file among them, below the first of `roots` that has it."""
    bases = [root.joinpath(*name.split(".")) for root in roots if name]
    return next((file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def absolute_name(node: ast.ImportFrom, path: Path, *roots: Path) -> str:
    """The module from which a statement of the file `path` imports."""
    root = next(root for root in roots if path.is_relative_to(root))
    package = path.parent.relative_to(root).parts
    parent = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join((*parent, *([node.module] if node.module else [])))


@functools.cache
def direct(path: Path, *roots: Path) -> frozenset[Path]:
    """Files below `roots` that a file below one of them imports, at any depth of its code.

    Raises:
        UserError: the file is no Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python ({error}); mend it") from None
    found: set[Path] = set()
    by_text = any(isinstance(node, ast.Name | ast.Attribute) and _last(node) in ("import_module", "__import__") for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif by_text and isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if node.value.replace(".", "").isidentifier() else []
        elif isinstance(node, ast.ImportFrom):
            module = absolute_name(node, path, *roots)
            names = [f"{module}.{alias.name}" for alias in node.names] + [module]
        else:
            continue
        for name in filter(None, names):
            for root in roots:
                found |= module_files(name.lstrip("."), root)
    return frozenset(found)


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def closure(paths: Iterable[Path], *roots: Path) -> set[Path]:
    """The files and every file below `roots` that they import, directly or through others."""
    todo, seen = list(paths), set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(direct(path, *roots))
    return seen
