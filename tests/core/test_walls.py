"""Walls that `make lint` does not hold: which room may import which package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core import code_files

SCRIPTS = Path(__file__).parents[2] / "scripts"
LOAD_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import mathrl.execution as room
names = [module.name for module in pkgutil.iter_modules(room.__path__)]
for name in names:
    importlib.import_module(f"mathrl.execution.{name}")
print(len(names))
"""


def importing(package: str) -> set[str]:
    """Rooms, or modules outside them, whose code imports a package."""
    pattern = re.compile(rf"^\s*(?:import|from) {package}\b", re.M)
    found = {path.relative_to(SCRIPTS) for path in SCRIPTS.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))}
    return {path.parts[1] if path.parts[0] == "mathrl" else path.name for path in found}


@pytest.mark.parametrize(("package", "rooms"), [("verl", {"verl"}), ("snakemake", {"execution"}), ("matplotlib", {"report"})])
def test_one_room_imports_it(package, rooms):
    assert importing(package) == rooms


def test_execution_loads_on_a_bare_host():
    done = subprocess.run([sys.executable, "-I", "-S", "-c", LOAD_ALL, str(SCRIPTS)], capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) > 20, done.stderr


@pytest.mark.parametrize("script", ["clean_problems.py", "decontaminate.py", "format_training_data.py"])
def test_an_edit_of_the_configurations_sections_cleans_and_searches_nothing_again(script):
    """Their code is an input of their rules, whatever in it has changed."""
    assert SCRIPTS / "mathrl/config/section.py" not in code_files.closure([SCRIPTS / script], SCRIPTS)
