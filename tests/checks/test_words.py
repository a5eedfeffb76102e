"""The word list: what is found, what is not, and that the tree keeps to it."""

import pytest
from mathrl.checks import words
from mathrl.core.files import UserError


@pytest.fixture
def tree(tmp_path, root):
    """An empty tree with our list of words; `write` adds a file."""

    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return words.find(tmp_path)

    write("docs/words.tsv", (root / "docs/words.tsv").read_text())
    return write


FOUND = [
    ("README.md", "It runs on a card.", "'card'"),
    ("README.md", "The whole\ncheckpoint is kept.", "'whole checkpoint'"),
    ("docs/reference/page.md", "1,584 samples a step", "'1,584 samples a step'"),
    ("docs/page.md", "one small file a benchmark", "'one small file a benchmark'"),
    ("docs/page.md", "see the report", "the finalist's report, or the study report"),
    ("rules/captions/a.rst", "Engines are dear to start.", "'dear'"),
    ("rules/a.smk", 'rule a:\n    """Keep what a referee asks for."""\n', "rules/a.smk:2"),
    ("config.yaml", "a: 1  # wait for ever\n", "config.yaml:1"),
    ("scripts/a.py", "raise ValueError(f'{x}: was torn apart')\n", "'torn'"),
    ("scripts/a.py", '"""Watch it.\n\npython scripts/a.py\n"""\n', "monitor"),
    ("scripts/mathrl/report/templates/a.html", "<p>one score a run</p>", "'one score a run'"),
]


@pytest.mark.parametrize(("name", "text", "said"), FOUND, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(FOUND)])
def test_found(tree, name, text, said):
    (line,) = tree(name, text)
    assert line.startswith(f"{name}:") and said in line


FINE = [
    ("README.md", "The model card, and `touched`, and\n```sh\ntorn\n```\nand [a page](docs/card.md)."),
    ("README.md", "the finalist's report and the study report; the `x` report; 6 responses per prompt; one of the rows; it makes a step"),
    ("scripts/mathrl/core/a.py", 'def f():\n    """One file a run, a whole checkpoint."""\n    watch = "card"\n'),
    ("config.yaml", "card: dear\n"),
]


@pytest.mark.parametrize(("name", "text"), FINE, ids=[f"{name}-{number}" for number, (name, _) in enumerate(FINE)])
def test_fine(tree, name, text):
    assert tree(name, text) == []


def test_a_file_may_be_excepted(tree):
    (found,) = tree("docs/a.md", "a keeper")
    assert found.startswith("docs/a.md:1: 'keeper'")
    tree("docs/words.tsv", "word\tinstead\texcept\nkeepers?\tsay what it does\tdocs/a*.md\n")
    assert tree("docs/ab.md", "a keeper") == []


def test_a_bad_table_is_one_line(tree):
    with pytest.raises(UserError, match="row 2 has 1 columns"):
        tree("docs/words.tsv", "word\tinstead\texcept\ncard\n")


def test_the_tree_keeps_to_it(root):
    assert words.find(root) == []
