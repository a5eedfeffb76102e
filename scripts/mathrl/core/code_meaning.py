"""What code does, apart from how it is written: a hash per file of an import closure.

Syntax trees are hashed without comments, docstrings, formatting and the order of imports. A module of ours is named by its content: who
moves or renames it, changes nothing; who imports another one, does. Data files count where the code beside them names them. Nobody
raises a version by hand. Behaviour on examples was the other way: it misses whatever no example shows.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from mathrl.core import code_files, imported_names
from mathrl.core.files import UserError, sha256_file, sha256_text

BLOCKS = ("body", "orelse", "finalbody")


def meanings(paths: Iterable[Path], *roots: Path) -> dict[Path, str]:
    """SHA-256 of what each file of the closure of `paths` does, by path; modules are looked for below `roots`. Empty files are left out.

    Raises:
        UserError: a file is no Python.
    """
    found: dict[Path, str] = {}
    alone: dict[Path, str] = {}

    def content(path: Path) -> str:
        if path not in alone:
            alone[path] = _dump(path, roots, lambda _: "module")
        return sha256_text(alone[path])[:16]

    for path in sorted(code_files.closure(paths, *roots)):
        text = _dump(path, roots, content)
        if text not in EMPTY:
            found[path] = sha256_text(text)
            found |= {file: sha256_file(file) for file in _data_files(path)}
    return found


def _parsed(path: Path) -> ast.Module:
    try:
        return imported_names.parse(path.read_text(encoding="utf-8-sig"))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python ({error}); mend it") from None


def _dump(path: Path, roots: tuple[Path, ...], content: Callable[[Path], str]) -> str:
    """The syntax tree of a file as text; `content` names each module of ours."""
    tree = _Plain(path, roots, content).visit(_parsed(path))
    return ast.dump(tree)


def _data_files(path: Path) -> set[Path]:
    """Files beside a module that its code names."""
    texts = {node.value for node in ast.walk(_parsed(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    likely = {text for text in texts if "." in text and len(text) < 200 and text.isprintable() and not text.startswith(("/", "."))}
    return {path.parent / text for text in likely if not text.endswith(".py") and os.path.isfile(path.parent / text)}


class _Plain(ast.NodeTransformer):
    """Takes out of a tree what does nothing, and names modules of ours by their content."""

    def __init__(self, path: Path, roots: tuple[Path, ...], content: Callable[[Path], str]) -> None:
        self.path, self.roots, self.content = path, roots, content
        self.names: dict[str, str] = {}  # local name of a module of ours → its content

    def visit_Module(self, node: ast.Module) -> ast.AST:
        for part in ast.walk(node):
            for field in BLOCKS:
                block = getattr(part, field, None)
                if isinstance(block, list):
                    setattr(part, field, self._plain_block(block) or ([ast.Pass()] if block else []))
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self.names.get(node.id, node.id), ctx=node.ctx)

    def _plain_block(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """Statements without docstrings and other lone texts; neighbouring imports one by one, sorted."""
        done: list[ast.stmt] = []
        imports: list[ast.stmt] = []
        for statement in block:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
                continue
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imports += self._plain_imports(statement)
                continue
            done += [*sorted(imports, key=ast.dump), statement]
            imports = []
        return done + sorted(imports, key=ast.dump)

    def _plain_imports(self, node: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
        if isinstance(node, ast.Import):
            return [self._plain_import(alias) for alias in node.names]
        module = code_files.absolute_name(node, self.path, *self.roots)
        found: list[ast.stmt] = []
        for alias in node.names:
            own = self._own(f"{module}.{alias.name}")
            if own:
                self.names[alias.asname or alias.name] = own
                found.append(ast.Import(names=[ast.alias(name=own)]))
            else:
                found.append(ast.ImportFrom(module=self._own(module) or module, names=[alias], level=0))
        return found

    def _plain_import(self, alias: ast.alias) -> ast.stmt:
        own = self._own(alias.name)
        if not own or (alias.asname is None and "." in alias.name):  # `import a.b` binds a: it counts by its name
            return ast.Import(names=[alias])
        self.names[alias.asname or alias.name] = own
        return ast.Import(names=[ast.alias(name=own)])

    def _own(self, module: str) -> str | None:
        """The content of a module of ours."""
        file = code_files.module_file(module, *self.roots)
        return self.content(file) if file else None


NOTHING: tuple[list[ast.stmt], ...] = ([], [ast.Pass()])
EMPTY = [ast.dump(ast.Module(body=body, type_ignores=[])) for body in NOTHING]
