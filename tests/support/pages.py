"""What a reader finds in the pages: fenced blocks, code in the text, links; and what a command in them names."""

import argparse
import ast
import contextlib
import fnmatch
import functools
import io
import itertools
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
INSTALLATION = "/shared/mathrl/"  # what the pages call an installation that many users share: here, this one
RUNS = {"demo"}
"""Words after `sh` of blocks that a test runs all the same, after a finished demo."""
REASONS = {"gpu", "cluster", "network", "root", "data", "minutes", "hours"}
"""Words after `sh` of blocks that no test runs: why not (CONTRIBUTING.md)."""


@dataclass(frozen=True)
class Block:
    """A fenced block: ```language word, then text."""

    page: str
    line: int
    language: str
    word: str
    text: str

    @property
    def file(self) -> str | None:
        """The path in a first line `# file: PATH`."""
        found = re.match(r"# file: (\S+)\n", self.text)
        return found[1] if found else None


def pages() -> list[str]:
    """README.md and its neighbours, the template of a pull request, recipes/ and docs/."""
    found = [path for pattern in ("*.md", ".github/*.md", "recipes/*.md", "docs/**/*.md") for path in sorted(ROOT.glob(pattern))]
    return [str(path.relative_to(ROOT)) for path in found]


def read(page: str) -> str:
    return (ROOT / page).read_text()


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    text = read(page)
    found = re.finditer(r"^```(\w*)(?: (\w+))?\n(.*?)^```$", text, re.M | re.S)
    return [Block(page, text[: block.start()].count("\n") + 1, block[1], block[2] or "", block[3]) for block in found]


def unfenced(page: str) -> str:
    """A page without its fenced blocks; every other line stays where it is."""
    return re.sub(r"^```.*?^```$", lambda block: "\n" * block.group().count("\n"), read(page), flags=re.M | re.S)


def spans(page: str) -> list[str]:
    """Code in the text: what stands between backticks, on one line."""
    return [" ".join((double or single).split()) for double, single in re.findall(r"``(.+?)``|`([^`]+)`", unfenced(page))]


def copy_sources(folder: Path) -> None:
    """The workflow and its pages in a folder of their own, with both environments and without results."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(".venv"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in (".venv", ".venv-driver"):
        (folder / name).symlink_to(ROOT / name)


def write_files(page: str, folder: Path) -> None:
    """Write the page's own files, which begin with `# file: PATH`, into a folder."""
    for block in blocks(page):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text.split("\n", 1)[1])


def environment() -> dict[str, str]:
    """Both environments on the path, as CONTRIBUTING.md tells a reader."""
    places = [str(ROOT / ".venv/bin"), str(ROOT / ".venv-driver/bin"), os.environ["PATH"]]
    return os.environ | {"PATH": ":".join(places), "PYTHONDONTWRITEBYTECODE": "1"}


def run(text: str, folder: Path, timeout: float = 300) -> subprocess.CompletedProcess:
    """Run a block as a reader would; output is text, both streams together."""
    command = ["bash", "-euo", "pipefail", "-c", text.replace(INSTALLATION, f"{shlex.quote(str(ROOT))}/")]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    return subprocess.run(command, cwd=folder, env=environment(), timeout=timeout, **streams)


def commands(text: str) -> list[list[str]]:
    """The commands of a block as lists of words, without comments, assignments and what they are redirected to."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in ("|", ";", "&", "&&", "||"):
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words[:2] == ["env", "-u"]:
                    words = words[3:]
                if words[:1] == ["time"]:
                    words = words[1:]
                if words and words[0] in WRAPPERS:
                    words = words[next((at for at, word in enumerate(words, 1) if word.endswith(".sif")), len(words)) :]
                while words and words[0] in SHELL:
                    words.pop(0)
                if words:
                    found.append(words)
                words = []
            else:
                words.append(word)
    return found


OURS = ("python", "python3", "pytest", "make", "snakemake")
WRAPPERS = ("apptainer", "srun")
"""What runs the command behind the name of an image."""
SHELL = ("if", "then", "else", "while", "do", "{")
OTHERS = {"apt-get", "cat", "cd", "docker", "git", "grep", "pip", "pre-commit", "unzip", "$EDITOR"}
"""Programs that are not ours: paths among their words are looked at like all others."""


def is_command(span: str) -> bool:
    """Whether code in the text is a whole command of ours, or what `pytest` is given to choose tests (`-k words`)."""
    if re.match(r"(test_\w+\.py )?-[km] \w", span):
        return True
    words = re.sub(r"^(?:env -u \w+ |time |[A-Z_]+=\S* )*", "", span).split()
    ours = words and (Path(words[0]).name in (*OURS, *WRAPPERS) or re.match("(scripts|tests|containers|envs)/", words[0]))
    return bool(ours) and len(words) > 1 and "…" not in span


def commands_of(page: str) -> list[list[str]]:
    """All commands of a page, in blocks and in the text."""
    texts = [block.text for block in blocks(page) if block.language == "sh"]
    return [words for text in [*texts, *filter(is_command, spans(page))] for words in commands(text)]


def snakemake_commands(but: Container[str] = ()) -> dict[str, str]:
    """Each snakemake command of the pages as a dry run, with a page that has it; `but` are pages to leave out."""
    found: dict[str, str] = {}
    for page in (page for page in pages() if page not in but):
        for words in commands_of(page):
            if Path(words[0]).name == "snakemake" and len(words) > 2 and "--report" not in words:
                rest = [word for word in words[1:] if word not in ("-n", "--dry-run")]
                found.setdefault(shlex.join(["snakemake", "-n", "--quiet=all", *rest]), page)
    return found


def is_dry_run(text: str) -> bool:
    """Whether a block is a dry run of Snakemake and nothing else."""
    return all(Path(words[0]).name == "snakemake" and "-n" in words for words in commands(text))


def wrong_in(words: list[str], page: str) -> list[str]:
    """What a command names that is not there: programs, scripts, options, targets, tests."""
    program, *rest = (word.removeprefix(INSTALLATION) for word in words)
    name = Path(program).name
    if name in ("python", "python3"):
        if rest[:2] == ["-m", "pytest"]:
            return wrong_in(["pytest", *rest[2:]], page)
        if rest[:1] == ["-c"]:
            return []
        script = rest[0]
        if script in {block.file for block in blocks(page)}:
            return []
        return wrong_arguments(script, rest[1:]) if (ROOT / script).is_file() else [f"no script {script}"]
    if name == "pytest" or re.match(r"-[km]$|(tests/.*|test_\w+)\.py", program):
        return wrong_tests([word if "/" in word or not word.startswith("test_") else test_file(word) for word in words])
    if name == "make":
        return wrong_targets(rest)
    if name == "snakemake":
        return []  # all of them together: refused_by_snakemake
    here = ROOT / program.replace(".venv-cuda/", ".venv/")  # which a host without a GPU does not make
    if "/" in program and here.is_file():
        if not os.access(here, os.X_OK):
            return [f"{program} cannot be executed"]
        return wrong_arguments(program, rest) if program in tracked() else []
    return [] if program in OTHERS else [f"unknown program {program}"]


class Parsed(BaseException):
    """A script has parsed its arguments."""


def wrong_arguments(script: str, words: list[str]) -> list[str]:
    """What a script says of its arguments.

    A Python script starts, and is stopped where it has parsed them. Of others the first line tells which words must be there:
    `NAME DIRECTORY [OPTIONS]:` behind their name; and words may be steps, each a function of the script.
    """
    text = read(script)
    if script.startswith("scripts/") or "argparse" in text:
        return _wrong_for_parser(script, words)
    usage = re.search(rf'^(?:# |""")(?:\S*/)?{re.escape(Path(script).name)}([^:\n]*)', text, re.M)
    wanted = re.findall(r"(?<!\S)[A-Z]+", re.sub(r"\[[^]]*(\]|$)", "", usage[1])) if usage else []
    steps = re.findall(r"^step_(\w+)\(\)", text, re.M)
    wrong = [f"{script}: no step {word}" for word in words if steps and word not in steps]
    return wrong + [f"{script}: wants {word}" for word in wanted[sum(not word.startswith("-") for word in words) :]]


def _wrong_for_parser(script: str, words: list[str]) -> list[str]:
    """The last line of what the parser of a Python script says, if it refuses the words."""
    parse, said = argparse.ArgumentParser.parse_args, io.StringIO()

    def stop(parser, *arguments, **options):
        parser.allow_abbrev = False  # a page writes whole words
        parse(parser, *arguments, **options)
        raise Parsed

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", stop),
        mock.patch.object(sys, "argv", [script, *words]),
        mock.patch.object(sys, "path", [*sys.path]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except Parsed:
            return []
        except SystemExit as end:
            return said.getvalue().splitlines()[-1:] if end.code else []
    return [f"{script}: parses no arguments"]


def targets() -> list[str]:
    """All that the Makefile names to make."""
    return re.search(r"^\.PHONY: (.+)$", read("Makefile"), re.M)[1].split()


def recipes(words: list[str]) -> list[list[str]]:
    """Our programs with their arguments as `make WORDS` would start them where nothing has run and no profile is named."""
    profile = [] if any(word.startswith("PROFILE=") for word in words) else ["PROFILE="]
    make = ["make", "-n", "MAKE=true", "PYTHON=python3", *profile, *words]  # what a recipe gives to $(MAKE) is made even with -n
    printed = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ours = re.compile(r"(\S*/)?(python3?|snakemake)|(containers|envs|scripts|tests)/\S+")
    return [command for command in commands(printed) if ours.fullmatch(command[0]) and command[1:2] != ["-m"]]


ASK = """
import contextlib, io, json, sys
from snakemake.cli import parse_args
said = []
for words in json.load(sys.stdin):
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parse_args(words)
        said.append("")
    except (SystemExit, Exception) as error:
        said.append(repr(error))
print(json.dumps(said))
"""


def refused_by_snakemake(given: list[list[str]]) -> dict[str, str]:
    """The commands whose words Snakemake itself does not take, with what it raises."""
    asked = json.dumps([[word.removeprefix(INSTALLATION) for word in words[1:]] for words in given])
    python = ROOT / ".venv-driver/bin/python"
    done = subprocess.run([python, "-c", ASK], input=asked, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return {shlex.join(words): error for words, error in zip(given, json.loads(done.stdout), strict=True) if error}


def wrong_targets(words: list[str]) -> list[str]:
    """Targets and variables that the Makefile does not have."""
    makefile = read("Makefile")
    wrong = []
    for word in words:
        if "=" in word:
            variable = word.split("=")[0]
            if not re.search(rf"\$[({{](?:or \$\()?{variable}\b|^{variable} *[?:]?=", makefile, re.M):
                wrong.append(f"make: no variable {variable}")
        elif not re.search(rf"^{re.escape(word)}:", makefile, re.M):
            wrong.append(f"make: no target {word}")
    return wrong


def wrong_tests(words: list[str]) -> list[str]:
    """Files of tests that are not there, marks that are not declared, and words of -k that no test there has."""
    places = [word for word in words if word.startswith("tests")] or ["tests"]
    wrong = [f"no tests {place}" for place in places if not (ROOT / place.split("::")[0]).exists()]
    names = " ".join(test_words(place.split("::")[0]) for place in places) if "-k" in words else ""
    for option, value in itertools.pairwise(words):
        if option == "-k":
            wanted = [word for word in re.findall(r"\w+", value) if word not in ("and", "or", "not")]
            wrong += [f"-k {word}: no such test in {' '.join(places)}" for word in wanted if word.lower() not in names]
        if option == "-m":
            marks = re.findall(r'^    "(\w+):', read("pyproject.toml"), re.M)
            wrong += [f"-m {mark}: no such mark" for mark in re.findall(r"\w+", value.strip("[]")) if mark not in (*marks, "not")]
    return wrong


def test_file(name: str) -> str:
    """Where the tests of this name lie."""
    return next((path for path in tracked() if path.startswith("tests/") and path.endswith(f"/{name}")), f"tests/{name}")


@functools.cache
def test_words(place: str) -> str:
    """Names of the tests below a path and the strings that their ids are made of, in lower case."""
    found = []
    for path in filter(Path.is_file, [ROOT / place, *sorted((ROOT / place).rglob("test_*.py"))]):
        found.append(path.stem)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.append(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80:
                found.append(node.value)
    return "\n".join(found).lower()


@functools.cache
def tracked() -> tuple[str, ...]:
    """Files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in listed.stdout.splitlines() if (ROOT / name).exists())


def missing_paths(page: str) -> list[str]:
    """Paths of the repository that a page names and that are not there."""
    text = read(page)
    own = {block.file for block in blocks(page)}
    named = re.findall(r"(?<![\w/.-])((?:scripts|rules|tests|docs|envs|profiles|containers)/[\w./*{}@,-]*[\w/*}])", text)
    wrong = []
    for path in dict.fromkeys(named):
        pattern = re.sub(r"\{[^}]*\}", "*", path.rstrip("/"))
        there = any(fnmatch.fnmatch(name, pattern) or name.startswith(f"{pattern}/") for name in tracked())
        if not there and path not in own and not path.endswith(".sif") and "verb_noun" not in path:
            wrong.append(path)
    code = "\n".join([*spans(page), *(block.text for block in blocks(page))])
    for path in dict.fromkeys(re.findall(r"(?<![\w/.:-])((?:[\w-]+/)*[\w-]+\.(?:py|smk))\b", code)):
        if not any(name == path or name.endswith(f"/{path}") for name in tracked()) and path not in own | FOREIGN:
            wrong.append(path)
    return wrong


FOREIGN = {"FILE.py", "benchmark_moe.py", "script.py", "verb_noun.py", "scripts/verb_noun.py"}
"""Files of other projects, and stand-ins."""


def missing_names(page: str) -> list[str]:
    """Modules and names below `mathrl` that a page names and that are not there."""
    wrong = []
    for dotted in dict.fromkeys(re.findall(r"(?<![\w/.])mathrl(?:\.\w+)+", "\n".join(spans(page)))):
        parts = dotted.split(".")
        folder = ROOT / "scripts" / "/".join(parts)
        if folder.is_dir() or folder.with_suffix(".py").is_file():
            continue
        module = ROOT / "scripts" / "/".join(parts[:-1])
        source = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
        if not source.is_file() or not re.search(rf"\b{parts[-1]}\b", source.read_text()):
            wrong.append(dotted)
    return wrong


def anchor(heading: str) -> str:
    """The anchor that mkdocs and most viewers of Markdown give a heading."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower())


def broken_links(page: str) -> list[str]:
    """Links to files or headings that are not there; pages of the site link to pages of the site only."""
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", unfenced(page)):
        if re.match(r"https?:", target):
            continue
        path, _, heading = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists():
            wrong.append(f"{target}: no such file")
        elif page.startswith("docs/") and not file.resolve().is_relative_to(ROOT / "docs"):
            wrong.append(f"{target}: outside docs/, so not in the site; name the path as code instead")
        elif heading:
            there = {anchor(line.lstrip("# ")) for line in file.read_text().splitlines() if line.startswith("#")}
            if heading not in there:
                wrong.append(f"{target}: no such heading")
    return wrong


def indented_code(page: str) -> list[str]:
    """Blocks of code that are indented instead of fenced, by their first lines; text in lists is indented by less."""
    return re.findall(r"(?:^|\n)\n( {4}\S.*)", unfenced(page))
