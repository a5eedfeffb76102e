"""What a stranger to the project looks for first agrees: version, citation, changelog, hooks, the workflow file and the templates."""

import datetime
import re
import subprocess
import tomllib

import pytest
import yaml

YAML = (".pre-commit-config.yaml", "CITATION.cff", ".github/**/*.yml", "mkdocs.yml")


@pytest.fixture
def project(root):
    """The table [project]."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def test_one_version(root, project):
    """The newest entry of the changelog is the version of pyproject.toml and CITATION.cff; entries go down in version and date."""
    entries = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (unreleased|\d{4}-\d\d-\d\d)$", (root / "CHANGELOG.md").read_text(), re.M)
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert entries[0][0] == project["version"] == citation["version"]
    versions = [tuple(map(int, version.split("."))) for version, _ in entries]
    dates = [datetime.date.max if date == "unreleased" else datetime.date.fromisoformat(date) for _, date in entries]
    assert sorted(set(versions), reverse=True) == versions and sorted(dates, reverse=True) == dates
    assert "unreleased" not in [date for _, date in entries[1:]]
    assert ("date-released" in citation) == (entries[0][1] != "unreleased")


def test_the_changelog_keeps_its_form(root):
    kinds = re.findall(r"^### (.+)$", (root / "CHANGELOG.md").read_text(), re.M)
    assert kinds and set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_has_what_the_format_requires(root, project):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation.keys() >= {"cff-version", "message", "title", "authors"} and citation["cff-version"] == "1.2.0"
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert citation["license"] == project["license"] and "Apache License" in (root / "LICENSE").read_text()


def test_the_table_installs_nothing_and_says_which_python(root, project):
    assert "build-system" not in tomllib.loads((root / "pyproject.toml").read_text())
    assert not project.get("dependencies") and not project.get("scripts")
    low, high = re.search(r"FITS := .*\((\d+, \d+)\) <= .* <= \((\d+, \d+)\)", (root / "Makefile").read_text()).groups()
    after = f"3.{int(high.split(', ')[1]) + 1}"
    assert project["requires-python"] == f">={low.replace(', ', '.')},<{after}"


@pytest.mark.parametrize("pattern", YAML)
def test_yaml_is_yaml(root, pattern):
    files = sorted(root.glob(pattern))
    assert files
    for path in files:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path


def test_hooks_are_the_lines_of_make_lint(root):
    recipe = re.search(r"^lint: env\n((?:\t.*\n)+)", (root / "Makefile").read_text(), re.M)[1]
    lines = [line.strip().replace("$(SNAKEMAKE)", ".venv-driver/bin/snakemake") for line in recipe.splitlines()]
    (repository,) = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "a hook of another repository downloads an environment"
    entries = [re.sub(r"^bash -c '(.*)'$", r"\1", hook["entry"]) for hook in repository["hooks"]]
    assert entries == lines
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in repository["hooks"])


def test_the_workflow_file_calls_the_script_and_pins_what_it_uses(root):
    workflow = yaml.safe_load((root / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used), "an action is named by its commit"
    listed = subprocess.run(["git", "ls-files", "-s", ".ci/run"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert listed.startswith("100755")


@pytest.mark.parametrize("form", ["bug", "idea"])
def test_an_issue_form_asks(root, form):
    body = yaml.safe_load((root / f".github/ISSUE_TEMPLATE/{form}.yml").read_text())["body"]
    questions = [part for part in body if part["type"] != "markdown"]
    assert len({part["id"] for part in questions}) == len(questions) and all(part["attributes"]["label"] for part in questions)
    assert any(part.get("validations", {}).get("required") for part in questions)
