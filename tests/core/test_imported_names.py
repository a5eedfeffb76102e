"""What a file imports is parsed once; what is remembered of it never hides an edit, and damage to the memory costs time alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core import code_files, imported_names
from mathrl.core.files import read_checked_json, write_checked_json

SCRIPTS = code_files.SCRIPTS

NAMES = [
    # text, names, what it is for
    ("import a.b, c as d\n", ["a.b", "c"], "plain"),
    ("from a import b, c as d\n", ["a", "a.b", "a.c"], "a name or a module"),
    ("from . import b\n", [".", ".b"], "relative"),
    ("from ..a import b\n", ["..a", "..a.b"], "relative, one up"),
    ("def f():\n    import a\n", ["a"], "in a function"),
    (
        "try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\nfinally:\n    import d\n",
        ["a", "b", "c", "d"],
        "in each block",
    ),
    ("match 1:\n    case 1:\n        import a\n", ["a"], "in a case"),
    ("import importlib\n\nimportlib.import_module('.a.b')\n", ["a.b", "importlib"], "by text"),
    ("words = ['a.b']\n", [], "a text alone"),
    ("import a\r\nimport b\r\n", ["a", "b"], "another system's line ends"),
    ("\ufeffimport a\n", ["a"], "a byte order mark"),
]


@pytest.mark.parametrize(("text", "names", "what"), NAMES, ids=[row[-1] for row in NAMES])
def test_names(text, names, what):
    assert imported_names.imported(text.encode()) == names


@pytest.mark.parametrize("content", [b"def f(:\n", b"a\0", b"\xff\xfe"])
def test_what_is_no_python_is_refused_each_time(content):
    for _ in range(2):
        with pytest.raises((SyntaxError, ValueError)):
            imported_names.imported(content)


def test_a_relative_import_is_looked_up_from_its_own_package(tmp_path):
    """Two files of the same bytes stand for different modules."""
    for package in ("a", "b"):
        (tmp_path / package).mkdir()
        for name, text in {"__init__": "", "words": "", "terms": "from .words import X\nfrom . import nothing\n"}.items():
            (tmp_path / package / f"{name}.py").write_text(text)
    found = {package: code_files.direct(tmp_path / package / "terms.py", tmp_path) for package in ("a", "b")}
    assert found == {package: {tmp_path / package / name for name in ("__init__.py", "words.py")} for package in ("a", "b")}


START = """
import ast, json, os, sys
from pathlib import Path
from mathrl.core import code_files, imported_names

folder, memory, end = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
parsed, parse = [], ast.parse
ast.parse = lambda text, *more: parsed.append(text) or parse(text, *more)
imported_names.remember(memory)
files = code_files.closure([folder / "terms.py"], folder)
print(json.dumps({"parsed": len(parsed), "files": sorted(path.name for path in files)}), flush=True)
if end == "killed":
    os.kill(os.getpid(), 9)
"""


class Starts:
    """A file and what it imports, and processes that look which files these are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.memory = folder / "code", folder / ".snakemake/imports.json"
        self.folder.mkdir()
        self.memory.parent.mkdir()
        self.write(terms="import words\n", words="X = 1\n", limit="X = 2\n")

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.folder / f"{name}.py").write_text(text)

    def process(self, end: str = "", before: tuple[str, ...] = ()) -> subprocess.Popen:
        command = [*before, sys.executable, "-c", START, str(self.folder), str(self.memory), end]
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, stdout=subprocess.PIPE, text=True)

    def start(self, **more) -> tuple[int, list[str]]:
        """Files parsed, and files found."""
        process = self.process(**more)
        said = json.loads(process.communicate(timeout=60)[0])
        assert process.returncode == (-signal.SIGKILL if more.get("end") else 0)
        return said["parsed"], [name.removesuffix(".py") for name in said["files"]]


@pytest.fixture
def starts(tmp_path):
    return Starts(tmp_path)


def test_the_second_start_parses_nothing(starts):
    assert starts.start() == (2, ["terms", "words"])
    first = starts.memory.read_bytes()
    assert starts.start() == (0, ["terms", "words"])
    assert starts.memory.read_bytes() == first


def test_an_edit_of_the_same_size_time_and_inode_is_seen(starts):
    starts.start()
    path = starts.folder / "terms.py"
    before = path.stat()
    starts.write(terms="import limit\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert starts.start() == (2, ["limit", "terms"])
    starts.write(terms="import words\n")
    assert starts.start() == (0, ["terms", "words"]), "what it was before is known still"


def test_a_module_that_comes_goes_or_moves_is_seen(starts):
    starts.write(terms="import words, late.far\n")
    assert starts.start() == (2, ["terms", "words"])
    (starts.folder / "late").mkdir()
    starts.write(**{"late/far": "import limit\n"})
    assert starts.start() == (2, ["far", "limit", "terms", "words"])
    (starts.folder / "words.py").unlink()
    assert starts.start() == (0, ["far", "limit", "terms"])


def damages(content: bytes) -> dict[str, bytes]:
    half, text = len(content) // 2, json.loads(content)
    flipped = bytearray(content)
    flipped[half] ^= 1
    hidden = {**text, "imports": {key: [] for key in text["imports"]}}
    other = {**text, "schema_version": 2}
    return {
        "empty": b"",
        "cut": content[:half],
        "flipped": bytes(flipped),
        "no text": os.urandom(100),
        "no object": b"[]\n",
        "another content": json.dumps(hidden).encode(),
        "another schema": json.dumps(other).encode(),
    }


@pytest.mark.parametrize("kind", damages(b'{"imports": {}}'))
def test_a_damaged_memory_is_made_again(starts, kind):
    starts.start()
    whole = starts.memory.read_bytes()
    starts.memory.write_bytes(damages(whole)[kind])
    assert starts.start() == (2, ["terms", "words"])
    assert starts.memory.read_bytes() == whole
    assert starts.start() == (0, ["terms", "words"])


def test_a_memory_of_another_schema_is_made_again(starts):
    write_checked_json(starts.memory, {"schema_version": 2, "imports": {}})
    assert starts.start() == (2, ["terms", "words"])
    assert starts.start() == (0, ["terms", "words"])


def test_a_memory_that_cannot_be_read_or_written_costs_time_alone(starts):
    starts.memory.mkdir()
    assert [starts.start(), starts.start()] == [(2, ["terms", "words"])] * 2
    assert [path.name for path in starts.memory.parent.iterdir()] == [starts.memory.name]
    starts.memory.rmdir()
    starts.memory.parent.rmdir()
    assert starts.start() == (2, ["terms", "words"])
    assert not starts.memory.parent.exists(), "a start that fails early leaves no folder"


def test_a_killed_start_leaves_the_memory_whole(starts):
    starts.start()
    whole = starts.memory.read_bytes()
    starts.write(words="import limit\n")
    assert starts.start(end="killed") == (2, ["limit", "terms", "words"])
    assert starts.memory.read_bytes() == whole
    assert starts.start() == (2, ["limit", "terms", "words"])


def test_starts_at_once_leave_one_whole_memory(starts):
    processes = [starts.process() for _ in range(4)]
    said = [json.loads(process.communicate(timeout=60)[0])["files"] for process in processes]
    assert said == [["terms.py", "words.py"]] * len(processes)
    assert len(read_checked_json(starts.memory)["imports"]) == 2
    assert starts.start() == (0, ["terms", "words"])


def test_what_another_user_wrote_is_not_taken(starts):
    if os.geteuid():
        pytest.skip("only root can give a file away")
    starts.start()
    found = read_checked_json(starts.memory)
    write_checked_json(starts.memory, {**found, "imports": {key: [] for key in found["imports"]}})
    assert starts.start() == (0, ["terms"]), "a hash does not say who wrote it"
    os.chown(starts.memory, 12345, 12345)
    assert starts.start() == (2, ["terms", "words"])


def test_another_python_parses_again(monkeypatch):
    monkeypatch.setattr(imported_names, "_used", {})
    imported_names.imported(b"import a\n")
    monkeypatch.setattr(imported_names, "_MADE_BY", b"another")
    imported_names.imported(b"import a\n")
    assert len(imported_names._used) == 2


def test_beyond_so_many_files_those_of_the_last_start_stay(starts):
    many = {f"{number:064x}": ["a"] for number in range(imported_names.MOST)}
    write_checked_json(starts.memory, {"schema_version": 1, "imports": many})
    assert starts.start() == (2, ["terms", "words"])
    assert len(read_checked_json(starts.memory)["imports"]) == 2


@pytest.mark.parametrize("imports", [None, "ab", ["a"], [], {"a": 5}, {"a": None}, {"a": "os"}, {"a": [1]}])
def test_a_memory_of_another_form_is_an_empty_one(tmp_path, imports):
    """Its checksum is right: an older version or somebody else wrote it."""
    write_checked_json(tmp_path / "imports.json", {"schema_version": 1, "imports": imports})
    assert imported_names._read(tmp_path / "imports.json") == {}
