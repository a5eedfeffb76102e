"""Sizes that a reader can take in: a module over 500 lines, a function over 60 or a script over 100 is split.

The tables of cases in tests/grading are read by lines, and two functions of the tests are one story each.
"""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]
SCRIPTS = TESTS.parent / "scripts"


def too_long() -> list[str]:
    found = []
    for path in sorted(SCRIPTS.rglob("*.py")):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(SCRIPTS).as_posix()
        most = 500 if path.parent != SCRIPTS else 100
        if len(text.splitlines()) > most:
            found.append(f"{name}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60:
                found.append(f"{name}: {node.name}: {node.end_lineno - node.lineno + 1} lines")
    return found


def test_nothing_is_too_long():
    assert too_long() == []


def test_no_module_of_the_tests_is():
    long = [
        path for path in TESTS.rglob("*.py") if path.parent.name != "grading" and len(path.read_text(encoding="utf-8").splitlines()) > 500
    ]
    assert long == []
