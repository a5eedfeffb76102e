"""What is changed in a module right after its import, and that nothing is imported for it."""

import importlib
import sys

from mathrl.verl.after_import import after_import


def test_it_waits_for_the_import_and_acts_once(tmp_path, monkeypatch):
    (tmp_path / "slow_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders, seen = list(sys.meta_path), []
    after_import("slow_module", lambda module: seen.append(module.value))
    assert "slow_module" not in sys.modules and not seen
    importlib.import_module("slow_module")
    importlib.import_module("slow_module")
    assert seen == [1]
    assert sys.meta_path == finders
    after_import("slow_module", lambda module: seen.append(module.__name__))  # it is there: at once
    assert seen == [1, "slow_module"]


def test_a_module_that_is_nowhere_stays_so(tmp_path):
    after_import("no_such_module_anywhere", lambda module: None)
    assert importlib.util.find_spec("no_such_module_anywhere") is None


def test_a_package_and_its_modules(tmp_path, monkeypatch):
    (tmp_path / "slow_package").mkdir()
    (tmp_path / "slow_package/__init__.py").write_text("from slow_package import part\n")
    (tmp_path / "slow_package/part.py").write_text("value = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    after_import("slow_package", lambda module: seen.append(module.part.value))
    importlib.import_module("slow_package.part")  # the whole package comes first
    assert seen == [2]
