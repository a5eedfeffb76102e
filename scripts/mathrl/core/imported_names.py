"""What a Python file imports, as names: parsed once and remembered by the file's bytes, from one start of Snakemake to the next.

Nothing is known by a path or a time: an edited file has other bytes, so it is parsed again. Which files the names stand for is looked up
each time (`mathrl.core.code_files`).
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mathrl.core.files import UserError, read_checked_json, write_checked_json

MOST = 1000  # files that are remembered, three times as many as ours; beyond, those of the last process alone
_BY_TEXT = ("import_module", "__import__")
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # where statements hold statements
# Another Python may refuse what this one reads, and another version of this module may find other names.
_MADE_BY = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).digest()
_known: dict[str, list[str]] = {}
_used: dict[str, list[str]] = {}
_PARSING = threading.Lock()


@functools.cache
def remember(memory: Path) -> None:
    """Take what earlier processes parsed from the file `memory`; what this one parses is added when it ends, if the folder is there.

    A `memory` that is missing, damaged or another user's is an empty one: files are parsed again.
    """
    _known.update(_read(memory))
    atexit.register(_keep, memory)


def parse(text: str) -> ast.Module:
    """`ast.parse`, one thread at a time: Python 3.11 counts the depth of a tree per process, and two threads end in a SystemError.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    with _PARSING:
        return ast.parse(text)


def imported(content: bytes) -> list[str]:
    """Names that a file of these bytes imports, at any depth of its code; a relative one begins with its dots.

    In `from a import b` these are `a` and `a.b`, which may be a module or not.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    return remembered(b"imports", content, _names)


def remembered(kind: bytes, content: bytes, find: Callable[[str], Iterable[str]]) -> list[str]:
    """What `find` reads in the text of a file of these bytes, sorted; another `find` has another `kind`.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    key = hashlib.sha256(b"\0".join((_MADE_BY, kind, content))).hexdigest()
    if key not in _used:
        _used[key] = _known[key] if key in _known else sorted(set(find(content.decode("utf-8-sig"))))
    return _used[key]


def _read(memory: Path) -> dict[str, list[str]]:
    try:
        found = read_checked_json(memory) if memory.is_file() and memory.stat().st_uid == os.getuid() else {}
        names = found["imports"] if found["schema_version"] == 1 else {}
    except (UserError, KeyError, OSError):
        return {}
    lists = isinstance(names, dict) and all(isinstance(one, list) for one in names.values())
    return names if lists and all(isinstance(name, str) for one in names.values() for name in one) else {}


def _keep(memory: Path) -> None:
    if _used.keys() <= _known.keys() or not memory.parent.is_dir():
        return
    both = _read(memory) | _used  # another process may have added to it
    with contextlib.suppress(OSError):  # a disk that is full or read-only
        write_checked_json(memory, {"schema_version": 1, "imports": both if len(both) <= MOST else _used})


def _names(text: str) -> Iterator[str]:
    tree = parse(text)
    by_text = any(word in text for word in _BY_TEXT) and any(_last(node) in _BY_TEXT for node in ast.walk(tree))
    for node in ast.walk(tree) if by_text else _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif by_text and isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.replace(".", "").isidentifier():
                yield node.value.lstrip(".")
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (module, *(f"{module}{'.' if node.module else ''}{alias.name}" for alias in node.names))


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement at any depth, without the expressions in it: several times as fast as `ast.walk`."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        for name in _BLOCKS:
            todo.extend(getattr(node, name, None) or ())
