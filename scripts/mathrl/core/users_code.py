"""Code of the user's, called by name: `FILE.py:function` anywhere on the disk, or `module:function` on Python's path.

A file is imported under a name of its own, so that two files may be called alike. What it imports from its own folder is found there;
its folder stands last on Python's path, and a name that Python finds elsewhere first is refused: other code would run than the
fingerprint counts. A relative path starts at the working directory.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from mathrl.core import code_files, imported_names
from mathrl.core.files import UserError

SEEN = "in a container only the working directory and /tmp are seen"
SHOWN = 5  # functions that a message names


def is_file(name: str) -> bool:
    """Whether a name is of the form FILE.py:function; whether the file is there is another question."""
    return name.rpartition(":")[0].endswith(".py")


def path_of(name: str) -> Path:
    """The file of a FILE.py:function, from the root of the disk."""
    return Path(name.rpartition(":")[0]).absolute()


def absolute(name: str) -> str:
    """The same name for a process that works elsewhere; of a module it stays."""
    return f"{path_of(name)}:{name.rpartition(':')[2]}" if is_file(name) else name


def files(name: str) -> list[Path]:
    """The file of a FILE.py:function and all that it imports from its own folder.

    Raises:
        UserError: a file is missing or no Python; the line does not say who asked.
    """
    path = _existing(name)
    return sorted(code_files.closure([path], path.parent))


def check_path(path: str, where: str) -> None:
    """Refuse a path that cannot be an input of a rule.

    Raises:
        UserError: it breaks a line, or Snakemake takes a part of it for a wildcard; the line begins with `where`.
    """
    if not path.isprintable():
        raise UserError(f"{where}: {path!a}: a path with a line break or control character cannot be named here; rename it")
    if "{" in path or "}" in path:
        raise UserError(f"{where}: '{path}': Snakemake takes braces in a path for a wildcard; rename it")


def check(name: str, where: str) -> None:
    """Refuse a FILE.py:function that cannot be had, as far as that is seen without running it; a module is not looked at.

    Raises:
        UserError: no such file, no Python, no such function, or a name that breaks a line; the line begins with `where`.
    """
    if not is_file(name):
        return
    check_path(name, where)
    if ":" in name.rpartition(":")[0]:
        raise UserError(f"{where}: '{name}': a folder whose name holds ':' cannot be named here; rename it")
    try:
        files(name)
        path, function = path_of(name), name.rpartition(":")[2]
        tree = imported_names.parse(path.read_text(encoding="utf-8-sig"))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    names, open_ended = _names(tree)
    if function not in names and not open_ended:
        raise UserError(f"{where}: {_no_function(path, function, names)}")


def load(name: str, where: str) -> Callable[..., Any]:
    """The function behind a name.

    Raises:
        UserError: no such file, module or function, or it cannot be imported or called; the line begins with `where`.
    """
    place, _, function = name.rpartition(":")
    try:
        module = _from_file(_existing(name)) if is_file(name) else importlib.import_module(place)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except ModuleNotFoundError as error:
        if is_file(name) or not f"{place}.".startswith(f"{error.name}."):
            raise UserError(_failed(name, where, error)) from None
        raise UserError(f"{where}: there is no module '{error.name}' on PYTHONPATH; write FILE.py:function for a file of yours") from None
    except (Exception, SystemExit) as error:  # code of the user's may raise anything
        raise UserError(_failed(name, where, error)) from None
    found = getattr(module, function, None)
    if found is None and not hasattr(module, function):
        known = {key for key, value in vars(module).items() if callable(value) and getattr(value, "__module__", "") == module.__name__}
        raise UserError(f"{where}: {_no_function(path_of(name) if is_file(name) else place, function, known)}")
    if not callable(found):
        raise UserError(f"{where}: {function} of {place} is no function but a {type(found).__name__}")
    return found


def told(error: BaseException, path: Path | None = None) -> str:
    """What an exception says, in one line, with the line of the file at `path`, or beside it, that raised it."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # a class of the user's may be wrong too
        said = ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if path and Path(frame.filename).parent == path.parent]
    at = f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""
    return f"{type(error).__name__}{': ' if said else ''}{said[:300]}{at}"


def _failed(name: str, where: str, error: BaseException) -> str:
    place, path = name.rpartition(":")[0], path_of(name) if is_file(name) else None
    return f"{where}: importing {place} failed: {told(error, path)}; mend it"


def _existing(name: str) -> Path:
    path = path_of(name)
    if not os.path.isfile(path):  # of Path's, a name that is too long raises
        raise UserError(f"there is no file {path} ({SEEN})")
    return path


def _no_function(place: Path | str, function: str, known: set[str]) -> str:
    shown = ", ".join(sorted(name for name in known if not name.startswith("_"))[:SHOWN])
    return f"there is no function '{function}' in {place}" + (f"; it has {shown}" if shown else "")


def _names(tree: ast.Module) -> tuple[set[str], bool]:
    """Names that a file binds at its top, and whether there may be more."""
    found: set[str] = set()
    more = False
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
            more = more or node.name == "*"
    return found, more


@functools.lru_cache(maxsize=64)
def _from_file(path: Path) -> ModuleType:
    """The module of a file, imported once in a process."""
    _reach(path)
    name = f"users_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look for it there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _reach(path: Path) -> None:
    """Let a file import what lies beside it.

    Raises:
        UserError: Python finds another module under the name of one beside it.
    """
    folder = path.parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    beside = {file.relative_to(folder).parts[0].removesuffix(".py") for file in code_files.closure([path], folder) - {path}}
    for name in sorted(beside):
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
        if not any(Path(place).is_relative_to(folder) for place in places if place):
            raise UserError(
                f"{path}: imports '{name}', which lies beside it and elsewhere ({places[0] if places else 'loaded'}); rename it"
            )
