"""Every threshold that decides a match is a key of the configuration, read, and stands in contamination.json; no other is in the code."""

import argparse
import ast
import json
from dataclasses import fields
from pathlib import Path

import polars as pl
from mathrl.config import sources
from mathrl.decontamination import command, settings
from mathrl.decontamination.settings import PARTS, Settings, add_thresholds

# Numbers that are no thresholds: what they are, by file and the name or function that they stand in.
NO_THRESHOLD = {
    "compare MOST": "tokens that an alignment may cost",
    "compare Pair.similarity": "rapidfuzz's ratio is a percentage",
    "semantic MARGIN": "rounding of the fast vectors: what lies within it of a threshold is decided in float64",
    "search STEP": "n-grams expanded at a time",
    "search Postings.of": "size of a table of bits",
    "search Postings.worthwhile": "rounding of a share",
    "search Vocabulary.__init__": "size of a table of bits",
    "search Index._for_words": "words in a run",
    "search _by_words": "words in a run",
    "search search.look": "columns of a hit",
    "search Candidates.empty": "columns of a hit",
    "search find_matches_in": "columns of the order",
    "search _verdicts": "digits written",
    "summary contamination_rows": "digits written",
    "summary summarise": "digits written",
    "texts MAX_TEXT": "characters that a comparison may cost",
    "texts NUMBER_WEIGHT": "unit of the token similarity, in which its thresholds are stated",
    "texts LETTER_WEIGHT": "unit of the token similarity, in which its thresholds are stated",
    "texts _CASES": "code points",
    "texts Text.cases": "code points",
    "texts _bracketed": "characters that a pattern looks at",
    "normalize_pair NESTED": "fractions within fractions",
    "normalize_pair _ACCENTS": "code points",
    "normalize_pair _WIDE": "code points",
    "normalize_pair _BELOW_100": "number words",
    "normalize_pair _BELOW_1000": "number words",
    "normalize_pair plain": "a group of a pattern",
    "normalize_pair _without_hints": "two sentences and what is between them",
    "normalize_pair _letter": "how a digit in a word is read: a rule of spelling, a pair in test_normalize_pair.py for each",
    "normalize_pair respelt": "how a misspelling is read, likewise",
    "normalize_pair _is_slip": "how a misspelling is read, likewise",
    "meanings slip": "how a misspelling is read, likewise",
    "meanings same_stem": "how forms of a word are read, likewise",
    "embedding WINDOW": "texts sorted together",
    "embedding MAX_TEXT": "characters that are read",
    "embedding BATCH_TOKENS": "tokens at a time",
    "embedding Embedder.__init__": "tokens that a model reads where it does not say",
    "embedding Embedder.embed": "no division by zero",
    "embedding Embedder._window": "bytes of a hash",
    "embedding Embedder._compute": "a GPU's batch",
    "embedding Store.put": "letters of a file's name",
    "duplicates HASHES": "hashes that are kept of a row",
    "duplicates MOST_PAIRS": "pairs that a group may cost",
    "duplicates BANDS": "rows that are compared: near pairs must agree in one of so many",
    "duplicates Signatures.groups": "the default of data.filters.near_similarity, and bits of a hash",
    "duplicates _fixed_words": "size of a table of bits",
    "duplicates sketch": "bits of a hash",
}


def numbers(tree: ast.AST, name: str = ""):
    """The name or function of each number but 0, 1 and 2 in a file."""
    for node in ast.iter_child_nodes(tree):
        inside = name
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = f"{name}.{node.name}".strip(".")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not name:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            inside = getattr(target, "id", "")
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value not in (0, 1, 2):
            yield inside
        yield from numbers(node, inside)


def code(root: Path) -> dict[str, ast.Module]:
    paths = [*sorted((root / "scripts/mathrl/decontamination").glob("*.py")), root / "scripts/mathrl/data/duplicates.py"]
    return {path.stem: ast.parse(path.read_text()) for path in paths if path.stem != "settings"}


def test_a_number_in_the_code_is_no_threshold(root):
    found = {f"{file} {name}" for file, tree in code(root).items() for name in numbers(tree)}
    assert found == set(NO_THRESHOLD), "a threshold belongs into the configuration; say of another number what it is"
    assert {f"made {name}" for name in numbers(ast.parse("def f(x):\n    return x > 0.7"))} == {"made f"}


def test_the_configuration_has_every_threshold_with_its_default():
    section = sources.Decontamination()
    parts = {name: {entry.name: entry.default for entry in fields(kind)} for name, kind in PARTS.items()}
    plain = {entry.name: entry.default for _, name, entry in settings._options() if name == entry.name}
    assert section.model_dump(exclude={"methods", "remove"}) == plain | parts
    assert len(section.thresholds()) == len(plain) + sum(map(len, parts.values()))


def test_every_threshold_is_read(root):
    read = {node.attr for tree in code(root).values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {entry.name for _, _, entry in settings._options()} - read


def test_every_threshold_can_be_set_and_stands_in_the_provenance(tmp_path):
    pl.DataFrame({"id": ["0"], "problem": ["What is 12 + 7?"]}).write_parquet(tmp_path / "p.parquet")
    (tmp_path / "b.jsonl").write_text('{"id": "0", "problem": "What is 12 + 7?", "answer": "19"}\n')
    other = {name: value - (0.01 if isinstance(value, float) else -1) for name, value in sources.Decontamination().thresholds().items()}
    parser = argparse.ArgumentParser()
    add_thresholds(parser)
    args = parser.parse_args([f"--{name.replace('_', '-')}={value}" for name, value in other.items()])
    places = {"problems": tmp_path / "p.parquet", "benchmark": {"b": tmp_path / "b.jsonl"}, "matches": tmp_path / "m.parquet"}
    more = {"methods": "exact", "remove": None, "clean": None, "csv": None, "workers": 1, "embedding_model": None, "embedding_cache": None}
    command.run(argparse.Namespace(**vars(args), **places, **more, summary=tmp_path / "s.json"))
    told = json.loads((tmp_path / "s.json").read_text())["settings"]
    plain = {name: value for name, value in told.items() if name not in ("methods", "remove", *PARTS)}
    assert plain | {f"{part}_{name}": value for part in PARTS for name, value in told[part].items()} == other
    assert Settings().thresholds()["rules"]["same_length"] != told["rules"]["same_length"]
