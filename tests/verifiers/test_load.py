"""The user's own verifier, from a folder outside the repository."""

import sys

import pytest
from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError
from mathrl.verifiers import load


def make(kind, root, **options):
    return load.make(Settings("mine", kind, own={"options": options}), root=root, timeout=60, retries=0, batch_size=4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("my_verifier", "my_helper"):
        sys.modules.pop(name, None)


def test_a_function_of_the_user_s_scores(folder):
    (folder / "my_helper.py").write_text("LIMIT = 3\n")
    (folder / "my_verifier.py").write_text(
        "from my_helper import LIMIT\ndef short(problems, responses, factor=1):\n"
        "    return [[float(len(step) < LIMIT * factor) for step in steps] for steps in responses]\n"
    )
    first = make("my_verifier:short", folder / "store")
    assert first.score(["p"], [["a", "abcd"]]) == [[1.0, 0.0]]
    wider = make("my_verifier:short", folder / "store", factor=2)
    assert wider.score(["p"], [["a", "abcd"]]) == [[1.0, 1.0]] and wider.directory != first.directory
    (folder / "my_helper.py").write_text("# at most\nLIMIT = 3\n")
    assert make("my_verifier:short", folder / "store").directory == first.directory, "a comment decides none"
    (folder / "my_helper.py").write_text("LIMIT = 10\n")  # of another size: Python knows its bytecode by seconds and size
    for name in ("my_verifier", "my_helper"):
        sys.modules.pop(name)
    edited = make("my_verifier:short", folder / "store")
    assert edited.directory != first.directory, "its code decides its scores, what it imports too"
    assert edited.score(["p"], [["a", "abcd"]]) == [[1.0, 1.0]]


@pytest.mark.parametrize("text", ["def f(:", "raise RuntimeError('not\\nnow')", "import nowhere_at_all"])
def test_a_module_that_cannot_be_imported_is_one_line(folder, text):
    (folder / "my_verifier.py").write_text(text)
    with pytest.raises(UserError, match=r"verifier 'my_verifier:f' cannot be loaded: (importing|there is no module)") as error:
        make("my_verifier:f", folder / "store")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("nowhere:f", "there is no module 'nowhere' on PYTHONPATH; write FILE.py:function"),
        ("json:nothing", "cannot be loaded"),
        ("json:__name__", "is no function"),
    ],
)
def test_what_is_no_function_is_refused(tmp_path, kind, why):
    with pytest.raises(UserError, match=why):
        make(kind, tmp_path)


def test_an_ensemble_does_not_score_by_itself(tmp_path):
    with pytest.raises(UserError, match="does not score by itself"):
        make("ensemble", tmp_path)


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "asyncio.CancelledError()"])
def test_what_a_function_raises_ends_a_call_and_not_who_asked(folder, raised):
    (folder / "my_verifier.py").write_text(f"import asyncio\n\ndef f(problems, responses):\n    raise {raised}\n")
    with pytest.raises(UserError, match=r"verifier mine: failed 1 times on 1 response\(s\), at last by RuntimeError: \w+"):
        make("my_verifier:f", folder / "store").score(["p"], [["a"]])
