"""The code that can change a gradient: ours, the user's reward terms and plug-ins, and all that they import."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mathrl.core import code_files, users_code
from mathrl.core.code_meaning import meanings
from mathrl.core.files import UserError, sha256_file
from mathrl.core.named_files import named_files

SCRIPTS = code_files.SCRIPTS


class Code:
    """Code that is gathered by the names under which verl and the configuration know it."""

    def __init__(self, own: Iterable[str]) -> None:
        self._found = meanings([SCRIPTS / name for name in own], SCRIPTS)

    def add(self, own: Iterable[str]) -> None:
        """Gather more files of ours, by their places below scripts/."""
        self._found |= meanings([SCRIPTS / name for name in own], SCRIPTS)

    def files(self) -> dict[str, str]:
        """Hash of what each file does, by its place below scripts/, or by its name for the user's elsewhere."""
        found: dict[str, str] = {}
        for path, meaning in sorted(self._found.items()):
            name, number = _shown(path), 1
            while name in found:  # in two folders of the user's
                number += 1
                name = f"{_shown(path)} ({number})"
            found[name] = meaning
        return found

    def named_by(self, value: Any) -> Any:
        """A value for verl; where it names Python code of ours or of the user's, that is gathered, and stands in its place."""
        if isinstance(value, Mapping):
            return {key: self.named_by(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.named_by(item) for item in value]
        if not isinstance(value, str):
            return value
        if value.endswith(".py") and Path(value).is_file():
            return self._take(Path(value).resolve())
        if users_code.is_file(value):
            return self.function(value, "training")
        module = value.removeprefix("pkg://")
        file = code_files.module_file(module, SCRIPTS)
        if file:
            return self._take(file)
        parent, _, name = module.rpartition(".")
        file = code_files.module_file(parent, SCRIPTS) if parent else None
        return f"{self._take(file)}.{name}" if file else value

    def term(self, term: str) -> str:
        """A reward term; of one of the user's the code is gathered, and stands in the place of its name.

        Raises:
            UserError: there is no such module.
        """
        return self.function(term, "reward.terms") if ":" in term else term  # one of ours

    def function(self, name: str, key: str) -> str:
        """A FILE.py:function or module:function of the user's; its code is gathered, and stands in the place of its name.

        Raises:
            UserError: there is no such module; the line names the key of the configuration.
        """
        module, _, function = name.partition(":")
        file = code_files.module_file(module, SCRIPTS)
        return f"{self._take(file or _installed(module, name, key), module)}:{function}"

    def _take(self, path: Path, module: str = "") -> str:
        """Gather a file and what it imports; what it does, in short."""
        if module.endswith(".py"):  # what lies beside it is its own, wherever that is
            found = meanings([path], path.parent, SCRIPTS)
        elif path.is_relative_to(SCRIPTS):
            found = meanings([path], SCRIPTS)
        else:
            found = _outside(path, path.parents[module.count(".") + (path.name == "__init__.py")])
        self._found |= found
        own = [file for file in found if file.suffix == ".py" and not file.is_relative_to(SCRIPTS / "mathrl")]
        self._found |= {file: sha256_file(file) for file in named_files(own)}
        return f"code {found.get(path, 'of nothing')[:12]}"


def _outside(path: Path, root: Path) -> dict[Path, str]:
    """The same for a file that lies elsewhere; `root` is the folder in which Python looks for it.

    Beside a file of the user's own, all modules of that folder are looked for; of an installed package, its own files count, what
    else it imports does not.
    """
    if root.name not in ("site-packages", "dist-packages"):
        return meanings([path], root, SCRIPTS)
    if path.parent == root:
        return {path: sha256_file(path)}
    package = root / path.relative_to(root).parts[0]
    return meanings(package.rglob("*.py"), package)


def _shown(path: Path) -> str:
    return path.relative_to(SCRIPTS).as_posix() if path.is_relative_to(SCRIPTS) else path.name


def _installed(module: str, name: str, key: str) -> Path:
    """The file of a module that lies elsewhere than below scripts/, or of a FILE.py:function."""
    if users_code.is_file(name):
        users_code.check(name, f"config: {key}")
        return users_code.path_of(name).resolve()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.has_location or not spec.origin.endswith(".py"):
        raise UserError(f"config: {key}: '{name}': there is no module '{module}'; write scripts/{module.replace('.', '/')}.py")
    return Path(spec.origin).resolve()
