"""Which files a Python file of ours imports: what a result's code is, without running any of it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

from mathrl.core.files import UserError

SCRIPTS = Path(__file__).resolve().parents[2]
ROOT = SCRIPTS.parent  # the repository
_BY_TEXT = ("import_module", "__import__")
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # where statements hold statements


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
        text = path.read_text(encoding="utf-8-sig")
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python ({error}); mend it") from None
    found: set[Path] = set()
    by_text = any(word in text for word in _BY_TEXT) and any(_last(node) in _BY_TEXT for node in ast.walk(tree))
    for node in ast.walk(tree) if by_text else _statements(tree):
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


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement at any depth, without the expressions in it: several times as fast as `ast.walk`, at every start of Snakemake."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        for name in _BLOCKS:
            todo.extend(getattr(node, name, None) or ())


def closure(paths: Iterable[Path], *roots: Path) -> set[Path]:
    """The files and every file below `roots` that they import, directly or through others."""
    todo, seen = list(paths), set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(direct(path, *roots))
    return seen
