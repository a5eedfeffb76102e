"""What kernels are compiled with is looked for before a job begins."""

import sys

import pytest
from mathrl.core.errors import UserError
from mathrl.execution import compiler, preflight


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with these programs, and an environment whose Python has its headers in a folder of ours."""

    def make(programs=("gcc",), headers=True, environment=".venv-cuda"):
        for name, text in (("python", f"#!/bin/sh\necho {tmp_path}/include\n"), *((name, "#!/bin/sh\n") for name in programs)):
            place = tmp_path / (f"{environment}/bin" if name == "python" else "bin") / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755)
        (tmp_path / "include").mkdir()
        if headers:
            (tmp_path / "include/Python.h").write_text("")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.delenv("CC", raising=False)
        return tmp_path

    return make


def test_a_host_that_compiles_passes(host):
    place = host()
    compiler.check(place / ".venv-cuda/bin/python")
    preflight.check_compiler(place, "cuda")


@pytest.mark.parametrize(
    ("lacks", "message"),
    [
        ({"programs": ()}, r"^gcc and clang: no such compiler here, and kernels are compiled at run time; install gcc and g\+\+$"),
        ({"headers": False}, r"include/Python\.h: no such file, .* install Python's headers \(on Debian or Ubuntu: python3-dev\)$"),
    ],
    ids=["compiler", "headers"],
)
def test_a_host_that_cannot_is_refused_before_the_first_job(host, lacks, message):
    """Triton says so only when the engine or the trainer has started, a minute later."""
    place = host(**lacks)
    with pytest.raises(UserError, match=message):
        preflight.check_compiler(place, "cuda")
    preflight.check_compiler(place, "cpu")


def test_without_an_environment_there_is_nothing_to_look_at(host):
    place = host(programs=(), environment="elsewhere")
    preflight.check_compiler(place, "cuda")


def test_a_compiler_that_the_user_names_counts(host, monkeypatch):
    place = host(programs=("mine",))
    monkeypatch.setenv("CC", "mine")
    compiler.check(place / ".venv-cuda/bin/python")
    for name, said in (("gone", "gone"), ("", "CC is empty")):  # Triton takes an empty one, too, and looks for no other
        monkeypatch.setenv("CC", name)
        with pytest.raises(UserError, match=f"^{said}: no such compiler here"):
            compiler.check(sys.executable)
