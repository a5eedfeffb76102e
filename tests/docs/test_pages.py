"""Pages name files, modules and pages that are there, and the map leads to every page."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from support import pages


@pytest.mark.parametrize("page", pages.pages())
def test_what_a_page_names_is_there(page):
    assert pages.missing_paths(page) == []
    assert pages.missing_names(page) == []
    assert pages.broken_links(page) == []


def test_pages_that_code_names_are_there(root):
    named = subprocess.run(
        ["git", "grep", "-ohIE", r"docs/[a-z/-]+\.(md|tsv)", "--", ".", ":!docs", ":!tests/checks/test_words.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [path for path in sorted(set(named.stdout.split())) if not (root / path).exists()] == []


def test_the_map_leads_to_every_page(root):
    written = {str(path.relative_to(root / "docs")) for path in root.glob("docs/**/*.md")} - {"index.md"}
    on_the_map = set(re.findall(r"\]\(([\w/-]+\.md)", (root / "docs/index.md").read_text()))
    assert on_the_map == written
    site = yaml.safe_load((root / "mkdocs.yml").read_text())["nav"]
    assert set(re.findall(r"[\w/-]+\.md", str(site))) - {"index.md"} == written
    in_the_readme = set(re.findall(r"\]\(docs/([\w/-]+\.md)", (root / "README.md").read_text())) - {"index.md"}
    assert in_the_readme == written


def test_every_variable_of_ours_is_in_the_table(root):
    """Those of the tests' own are not."""
    sources = [path for folder in ("scripts", "rules", "containers") for path in (root / folder).rglob("*") if path.is_file()]
    sources = [path for path in sources if path.suffix != ".pyc"]  # where a name runs into the byte behind it
    used = {name for path in sources for name in re.findall(r"MATHRL_[A-Z_]+", path.read_text(errors="replace"))}
    assert set(re.findall(r"^\| `(MATHRL_[A-Z_]+)` \|", (root / "docs/reference/variables.md").read_text(), re.M)) == used


def test_the_rooms_are_those_of_the_code(root):
    """In the order of the walls, each described by the first paragraph of its `__init__.py`."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = []
    for room in layers:
        said = ast.get_docstring(ast.parse((root / f"scripts/mathrl/{room}/__init__.py").read_text()))
        rows.append(f"| `{room}` | {re.sub(r' [(][^()]*docs/[^()]*[)]', '', ' '.join(said.partition(chr(10) * 2)[0].split()))} |")
    page = (root / "docs/explanation/architecture.md").read_text()
    assert "| room | holds |\n|---|---|\n" + "\n".join(rows) + "\n\n" in page, "the table should be:\n" + "\n".join(rows)
    folders = {path.parent.name for path in root.glob("scripts/mathrl/*/__init__.py")}
    assert folders == set(layers)
    assert [room for room in layers if not list((root / "tests" / room).glob("test_*.py"))] == [], "the tests mirror the rooms"


def test_the_walk_of_a_row_is_the_walk_of_the_rules(root):
    page = (root / "docs/explanation/architecture.md").read_text().split("## The walk of a row")[1].split("\n## ")[0]
    steps = re.findall(r"^\| `(\w+)` \| `(rules/\w+\.smk)` \| (.*) \| `([^`]+)` \|$", page, re.M)
    assert len(steps) >= 10
    for rule, file, room, output in steps:
        body = re.search(rf"^(?:use )?rule {rule}:\n(.*?)(?=^\S|\Z)", Path(root / file).read_text(), re.S | re.M)
        assert body, f"no rule {rule} in {file}"
        written = body[1].replace("{{", "{").replace("}}", "}")
        assert f'"{output}"' in written, f"{rule} does not write {output}"
        assert "mathrl." in room


def test_the_outputs_in_the_readme_are_those_of_the_rules(root):
    table = (root / "README.md").read_text().split("| output | what it is |")[1].split("\n\n")[0]
    rules = "\n".join(path.read_text() for path in root.glob("rules/*.smk")).replace("{{", "{").replace("}}", "}")
    missing = []
    for span in re.findall(r"`([^`]+)`", "\n".join(line.split("|")[1] for line in table.splitlines()[2:])):
        together = re.search(r"\{(\w+(?:,\w+)+)\}", span)
        names = [span.replace(together[0], kind) for kind in together[1].split(",")] if together else [span]
        missing += [name for name in names if name.strip("/").rpartition("/data/")[2] not in rules]
    assert missing == []


def holds(tree, parts):
    """Whether a nested mapping has a key, given part by part."""
    return not parts or (isinstance(tree, dict) and parts[0] in tree and holds(tree[parts[0]], parts[1:]))


def test_keys_that_pages_name_are_ours_or_verls(root, config):
    """Such as `data.dev_size` of config.yaml, `monitor.window` of its `training`, `data.train_batch_size` that verl is given."""
    ours = (config, config["training"])
    verls = (root / "scripts/mathrl/verl/grpo_config.py").read_text()
    missing = []
    for page in pages.pages():
        for key in re.findall(r"(?m)^([a-z_]+(?:\.[a-z_]+)+)(?:[:=].*)?$", "\n".join(pages.spans(page))):
            parts = key.split(".")
            ours_by_name = any(parts[0] in tree for tree in ours) and parts[-1] not in ("json", "lock", "tsv", "yaml")
            if ours_by_name and not any(holds(tree, parts) for tree in ours) and key not in verls:
                missing.append(f"{page}: {key}")
    assert missing == []
