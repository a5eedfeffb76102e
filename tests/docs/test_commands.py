"""What README.md, CONTRIBUTING.md and docs/ tell a reader to type works, or says in one word why no test runs it."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from mathrl.config import reading, validation
from mathrl.data import downloads
from support import pages

ELSEWHERE = {
    "docs/how-to/bring-your-own.md": "tests/evaluation/test_walkthrough.py",
    "docs/how-to/send-a-study.md": "tests/workflow/test_crate.py",
}
"""Pages whose commands another test runs, as it looks at what they say."""
RUN = [
    page
    for page in pages.pages()
    if page not in ELSEWHERE
    and any(block.language == "sh" and not block.word and not pages.is_dry_run(block.text) for block in pages.blocks(page))
]

DRY_RUNS = pages.snakemake_commands(but=ELSEWHERE)


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """The workflow in a folder of its own, for dry runs."""
    folder = tmp_path_factory.mktemp("pages")
    pages.copy_sources(folder)
    return folder


@pytest.mark.parametrize("page", pages.pages())
def test_each_block_says_what_becomes_of_it(page):
    assert pages.indented_code(page) == [], "put code between ``` lines (CONTRIBUTING.md)"
    for block in pages.blocks(page):
        where = f"{page}:{block.line}"
        assert block.language in ("sh", "yaml", "json", "tsv", "python", "text"), f"{where}: a block of what?"
        assert block.word in {"", *pages.RUNS, *pages.REASONS} and (block.language == "sh" or not block.word), f"{where}: {block.word}?"
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "json":
            assert all(json.loads(line) for line in block.text.splitlines() if not line.startswith("#")), where


WRONG = {
    "python scripts/grade_sample.py": "no script scripts/grade_sample.py",
    "python scripts/show_scores.py --scoers x": "unrecognized arguments: --scoers x",
    "python scripts/show_scores.py --sco x": "unrecognized arguments: --sco x",
    "python scripts/write_preset.py --gpus 4 --memory 80 --out mine.yaml": "the following arguments are required: --model",
    "apptainer exec --nv containers/cuda.sif python scripts/check_gpu.py --accelerator gpu": "invalid choice: 'gpu'",
    "containers/build.sh": "containers/build.sh: wants NAME",
    "python envs/install.py cpu": "envs/install.py: wants DIRECTORY",
    "python tests/full.py kill": "no part is called kill",
    "tests/hpc/run.sh slurm walltime": "tests/hpc/run.sh: no step walltime",
    "make tests": "make: no target tests",
    "make forecast RUNS=grpo": "make: no variable RUNS",
    "python -m pytest tests/openseek": "no tests tests/openseek",
    "pytest tests/grading -k no_such_thing": "-k no_such_thing: no such test in tests/grading",
    "pytest -m slow": "-m slow: no such mark",
    "ls && mkae demo": "unknown program mkae",
}


@pytest.mark.parametrize(("command", "said"), WRONG.items(), ids=WRONG)
def test_a_wrong_command_is_found(command, said):
    (found,) = pages.wrong_in(pages.commands(command)[-1], "README.md")
    assert said in found


@pytest.mark.parametrize("page", pages.pages())
def test_commands_name_what_there_is(page):
    wrong = {shlex.join(words): pages.wrong_in(words, page) for words in pages.commands_of(page)}
    assert {command: said for command, said in wrong.items() if said} == {}


@pytest.mark.parametrize("script", sorted(path.name for path in pages.ROOT.glob("scripts/*.py")))
def test_the_command_in_a_docstring_is_accepted(script):
    said = ast.get_docstring(ast.parse(pages.read(f"scripts/{script}"))).replace("\\\n", " ")
    found = [words for line in re.findall(r"python scripts/.*", said) for words in pages.commands(line)]
    assert [pages.wrong_in(words, "README.md") for words in found] == [[]] * len(found)


def test_what_make_and_snakemake_are_told_is_accepted():
    """Every command of the pages, every target of the Makefile: the words that each program at the end of it gets."""
    told = [words for page in pages.pages() for words in pages.commands_of(page)]
    with_variables = [words[1:] for words in told if words[0] == "make" and any("=" in word for word in words)]
    started = [command for words in [pages.targets(), *with_variables] for command in pages.recipes(words)]
    wrong = {shlex.join(words): pages.wrong_in(words, "Makefile") for words in started}
    assert {command: said for command, said in wrong.items() if said} == {}
    swallowed = ["snakemake", "--resources", "gpu=6", "verifiers"]  # more words of --resources, so no target is left
    to_snakemake = [words for words in [*told, *started, swallowed] if Path(words[0]).name == "snakemake"]
    assert list(pages.refused_by_snakemake(to_snakemake)) == [shlex.join(swallowed)]


@pytest.mark.parametrize(("command", "page"), DRY_RUNS.items(), ids=DRY_RUNS)
def test_snakemake_finds_its_targets(sources, command, page):
    pages.write_files("README.md", sources)  # mine.yaml, which other pages speak of
    pages.write_files(page, sources)
    done = pages.run(command, sources)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("page", RUN)
def test_commands_run(tmp_path, page):
    pages.copy_sources(tmp_path)
    pages.write_files(page, tmp_path)
    for block in pages.blocks(page):
        if block.language == "sh" and not block.word and not pages.is_dry_run(block.text):
            done = pages.run(block.text, tmp_path)
            assert done.returncode == 0, f"{page}:{block.line}\n{done.stdout[-3000:]}"


@pytest.mark.parametrize("page", [page for page in pages.pages() if any(block.language == "yaml" for block in pages.blocks(page))])
def test_configurations_are_valid(tmp_path, root, config, page, monkeypatch):
    pages.write_files(page, tmp_path)
    monkeypatch.chdir(tmp_path)  # where the page's code lies
    for block in pages.blocks(page):
        if block.language == "yaml":
            given = reading.merge(config, yaml.safe_load(block.text))
            given["models"] = {}  # directories that a reader has and this folder has not
            validation.validate(given, lambda path: downloads.pin_rows(tmp_path / path if (tmp_path / path).exists() else root / path))


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_other_pages_are_run_by_their_own_test(root, page, test):
    assert page in (root / test).read_text()
