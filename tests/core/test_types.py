"""How many annotations say `(Mapping|dict)[str, Any]`, or an alias of it: records have a type that names their keys."""

import re
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
LOOSE = re.compile(r"(?:Mapping|dict)\[str, Any\]")
ALIAS = re.compile(r"^(\w+)(?:: TypeAlias)? = (?:Mapping|dict)\[str, Any\]$|^type (\w+) = (?:Mapping|dict)\[str, Any\]$", re.M)
BORDER = {
    "JsonObject": "core/files.py: what parses or writes JSON",
    "Raw": "config/reading.py: what YAML gives, before it is a Configuration",
    "Row": "data/layouts.py and data/raw_rows.py: a row of a data set as it was published",
    "Node": "config/documents.py: a part of a JSON schema",
}


def texts() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.py"))}


def test_loose_mappings_are_few():
    found = Counter({path.relative_to(SCRIPTS).as_posix(): len(LOOSE.findall(text)) for path, text in texts().items()})
    assert found.total() <= 8, f"write a TypedDict in the records.py of the room: {[name for name, n in found.items() if n]}"


def test_only_borders_have_an_alias_of_it():
    found = {match[1] or match[2] for text in texts().values() for match in ALIAS.finditer(text)}
    assert found == set(BORDER)


@pytest.mark.parametrize("alias, most", [("JsonObject", 40), ("Raw", 40)])
def test_the_alias_of_the_border_is_no_new_name_for_the_same(alias, most):
    uses = {
        path.relative_to(SCRIPTS).as_posix(): len(lines)
        for path, text in texts().items()
        if (lines := [line for line in text.splitlines() if re.search(rf"\b{alias}\b", line) and "import" not in line])
    }
    assert 0 < sum(uses.values()) <= most, uses
