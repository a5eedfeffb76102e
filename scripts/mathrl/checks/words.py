"""Words that no text for people uses: docs/words.tsv holds them, with what to write instead.

Checked are pages and captions as they are read (code left out), comments of configuration files, rules, and strings of Python code
that hold a space: messages, help and captions. Docstrings below scripts/mathrl are for people who read the code, and left out.
"""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mathrl.core.files import UserError

TEXTS = ("*.md", ".github/*.md", "recipes/*.md", "docs/**/*.md", "rules/captions/*.rst", "scripts/mathrl/report/templates/*.html")
COMMENTED = ("config.yaml", "profiles/*/*.yaml", "rules/*.smk", "rules/common/*.smk", "Snakefile", "Makefile")
CODE = ("scripts/*.py", "scripts/mathrl/**/*.py")

CODE_OF_PAGES = (
    r"^```.*?^```",
    r"``[^`]+``|`[^`\n]*(?:\n[^`\n]+)?`",
    r"<(?:style|script)\b.*?</(?:style|script)>",
    r"\]\([^)]*\)",  # the target of a link
    r"<[^<>]*>",
)

NO_NOUN = (
    "of with to in for from by is has have on at as and or not than that are be into was were get gets make makes take takes need needs "
    "when if where like over after before no its holds under per only also such without while names ends starts uses refuses tells "
    "about this"
)
PLACEHOLDERS = {
    "NUMBER": r"(?:\d[\d,.]*|an?|one|two|three|four|five|ten|some|many|by a)",
    "NOUN": rf"(?:(?!(?:{NO_NOUN.replace(' ', '|')})\b)[\w-]+ ){{0,1}}(?!(?:{NO_NOUN.replace(' ', '|')})\b)[\w-]+",
    "UNIT": "(?:step|row|stage|model|benchmark|problem|response|sample|rank|GPU|node|job|item|page|line|setting|run|protocol|token|batch|"
    "part|shard|figure|host|answer|half|group|seed|layer|second|minute|day|week)",
}


@dataclass(frozen=True)
class Word:
    """A word that is not used, what to write instead, and files that may use it all the same."""

    pattern: re.Pattern[str]
    instead: str
    allowed: tuple[str, ...]


def read_words(path: Path) -> list[Word]:
    """The table of words."""
    words = []
    rows = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for number, row in enumerate(rows[1:], 2):
        cells = row.split("\t")
        if len(cells) != 3:
            raise UserError(f"{path}: row {number} has {len(cells)} columns; it needs word, instead and except, separated by tabs")
        pattern = cells[0]
        for name, meaning in PLACEHOLDERS.items():
            pattern = pattern.replace(name, meaning)
        pattern = pattern.replace(" ", r"\s+")
        words.append(Word(re.compile(rf"(?<!\w){pattern}(?!\w)", re.I), cells[1], tuple(cells[2].split())))
    return words


def prose(text: str) -> str:
    """A page without code, tags and the targets of links; each line stays where it is."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", "·", found.group())

    for pattern in CODE_OF_PAGES:
        text = re.sub(pattern, blank, text, flags=re.M | re.S)
    return text


def comments(text: str, rules: bool) -> str:
    """What follows `#`, and in rules the docstrings, each on its own line."""
    lines, inside = [], False
    for line in text.split("\n"):
        quotes = line.count('"""') if rules else 0
        if inside or quotes:
            lines.append(line.replace('"""', " "))
            inside = inside != (quotes % 2 == 1)
        else:
            code, _, comment = line.partition("# ")
            lines.append(f"· {comment}" if code.strip() else comment)
    return prose("\n".join(lines))


def messages(source: str, entry: bool) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a module that holds a space; of docstrings only an entry script's, which is its help."""
    tree = ast.parse(source)
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    left_out = {id(node.body[0].value) for node in documented[entry:] if node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and id(node) not in left_out:
            yield node.lineno, node.value


def find(root: Path) -> list[str]:
    """A line for each word below `root` that should not be there: file, line, word, what to write instead."""
    words = read_words(root / "docs/words.tsv")
    found = []

    def look(path: Path, text: str, first: int = 1) -> None:
        name = path.relative_to(root).as_posix()
        for word in words:
            if any(fnmatch.fnmatch(name, allowed) for allowed in word.allowed):
                continue
            for match in word.pattern.finditer(text):
                line = first + text[: match.start()].count("\n")
                found.append(f"{name}:{line}: {' '.join(match.group().split())!r}: {word.instead}")

    for pattern in TEXTS:
        for path in sorted(root.glob(pattern)):
            look(path, prose(path.read_text()))
    for pattern in COMMENTED:
        for path in sorted(root.glob(pattern)):
            look(path, comments(path.read_text(), path.suffix == ".smk" or path.name == "Snakefile"))
    for pattern in CODE:
        for path in sorted(root.glob(pattern)):
            for line, text in messages(path.read_text(), entry=path.parent.name == "scripts"):
                look(path, text, line)
    return found
