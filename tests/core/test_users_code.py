"""A user's function is found by its file or its module; what cannot be had is said in one line."""

import gc
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mathrl.core import code_files, users_code
from mathrl.core.code_meaning import meanings
from mathrl.core.files import UserError


@pytest.fixture
def folder(tmp_path):
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]
    users_code._from_file.cache_clear()
    code_files.direct.cache_clear()


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)


def test_two_files_of_one_name_and_what_lies_beside_each(folder, monkeypatch):
    for place, value in (("a", 1), ("b", 2)):
        (folder / place).mkdir()
        write(folder / place, **{"terms": f"from words_{place} import X\n\ndef f():\n    return X\n", f"words_{place}": f"X = {value}\n"})
    monkeypatch.chdir(folder)
    assert [users_code.load(f"{place}/terms.py:f", "here")() for place in "ab"] == [1, 2]
    assert users_code.load(f"{folder}/a/terms.py:f", "here") is users_code.load("a/terms.py:f", "here"), "imported once"
    assert [path.name for path in users_code.files("a/terms.py:f")] == ["terms.py", "words_a.py"]
    assert users_code.absolute("a/terms.py:f") == f"{folder}/a/terms.py:f" and users_code.absolute("json:dumps") == "json:dumps"


def test_a_file_with_a_byte_order_mark_is_python(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "t.py").write_bytes(b"\xef\xbb\xbfdef f():\n    return 4\n")
    users_code.check("t.py:f", "here")
    assert users_code.load("t.py:f", "here")() == 4 and meanings([folder / "t.py"], folder)


BROKEN = "import os\n\nraise RuntimeError('no\\nluck')\n"
BAD = [
    # name, file, what the line says, whether it is seen without running the file
    ("t.py:f", None, "there is no file ", True, "no file"),
    ("t" * 300 + ".py:f", None, "there is no file ", True, "a name that is too long"),
    ("t.py:brif", "def brief():\n    pass\n", "there is no function 'brif' in ", True, "no function"),
    ("t.py:f", "def f(:\n", "is no Python (", True, "no Python"),
    ("t.py:f", BROKEN + "def f():\n    pass\n", "importing t.py failed: RuntimeError: no luck (line 3 of t.py); mend it", False, "raises"),
    ("t.py:f", "import sys\nsys.exit(3)\n\ndef f():\n    pass\n", "importing t.py failed: SystemExit: 3 (line 2 of t.py)", False, "exits"),
    ("t.py:f", "f = 3\n", "f of t.py is no function but a int", False, "not callable"),
    ("t.py:f", "import nowhere_at_all\n\ndef f():\n    pass\n", "No module named 'nowhere_at_all' (line 1 of t.py)", False, "its import"),
    ("t.py:f", "from json_ import *\n\ndef f():\n    pass\n", "No module named 'json_'", False, "another of its imports"),
    ("nowhere_at_all:f", None, "there is no module 'nowhere_at_all' on PYTHONPATH; write FILE.py:function for a file", False, "no module"),
    ("json:nothing", None, "there is no function 'nothing' in json; it has detect_encoding, dump", False, "no function of a module"),
]


@pytest.mark.parametrize(("name", "text", "said", "early"), [case[:4] for case in BAD], ids=[case[4] for case in BAD])
def test_what_cannot_be_had_is_said_in_one_line(folder, monkeypatch, name, text, said, early):
    monkeypatch.chdir(folder)
    if text:
        write(folder, t=text)
    asked = [users_code.load, *([users_code.check] if early else [])]
    for ask in asked:
        with pytest.raises(UserError) as error:
            ask(name, "config: x.y")
        assert str(error.value).startswith("config: x.y: ") and said in str(error.value) and "\n" not in str(error.value)
    if not early:
        users_code.check(name, "config: x.y")


def test_a_path_that_would_break_the_line_is_refused():
    with pytest.raises(UserError) as error:
        users_code.check("a\nb.py:f", "here")
    assert str(error.value).startswith(r"here: 'a\nb.py:f': a path with a line break") and "\n" not in str(error.value)


def test_a_name_that_python_finds_elsewhere_first_is_refused(folder):
    """Not the file beside it would run, which the fingerprint counts, but that of the standard library."""
    write(folder, t="import json\n\ndef f():\n    pass\n", json="")
    with pytest.raises(
        UserError, match=r"here: .*t\.py: imports 'json', which lies beside it and elsewhere \(.*json/__init__\.py\); rename"
    ):
        users_code.load(f"{folder}/t.py:f", "here")


def test_threads_may_read_code_at_the_same_time():
    """Python 3.11 ends in a SystemError where a thread that parses waits while another one parses; here it waits at each collection."""
    files = sorted(Path(code_files.__file__).parent.glob("*.py"))[:8]
    pause, thresholds = (lambda *_: time.sleep(0)), gc.get_threshold()
    gc.callbacks.append(pause)
    gc.set_threshold(50, 2, 2)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: meanings(files, code_files.SCRIPTS), range(16)))
    finally:
        gc.callbacks.remove(pause)
        gc.set_threshold(*thresholds)
    assert all(one == found[0] for one in found)
