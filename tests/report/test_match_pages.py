"""The page of matches: each pair side by side, shared text marked, removed pairs first, nothing of a problem taken for HTML."""

import json

import polars as pl
import pytest
from mathrl.report.match_pages import marked
from support.cleaning import add_ids

ITEM = "A box holds 12 red marbles & 7 blue ones. What is the probability that <b>all 3</b> drawn ones are red?"


@pytest.fixture
def page(tmp_path, script):
    """The page of two matching rows, of which the command removes one."""
    rows = [ITEM, "Exercise. " + ITEM, "Nothing of the kind, with 9 words in it here."]
    add_ids(pl.DataFrame({"problem": rows})).write_parquet(tmp_path / "p.parquet")
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": "i7", "problem": ITEM, "answer": "1"}) + "\n")
    shared = ("--problems", "p.parquet", "--benchmark", "b=b.jsonl", "--matches", "m.parquet")
    done = script("decontaminate.py", *shared, "--summary", "s.json", "--remove", "exact")
    assert done.returncode == 0, done.stderr
    done = script("render_matches.py", *shared, "--out", "page.html")
    assert done.returncode == 0, done.stderr
    return (tmp_path / "page.html").read_text()


def test_pairs_stand_side_by_side_removed_ones_first(page):
    assert "1 pairs are removed, 1 are reported only" in page
    assert page.index("· removed</header>") < page.index("· kept</header>")
    assert page.count("<article") == 2 and "Nothing of the kind" not in page
    assert all(text in page for text in ("b i7", "exact 1.00", "ngram 1.00", "fuzzy"))


def test_text_is_escaped_and_the_page_needs_no_other_file(page):
    assert "<b>all" not in page and "&lt;b&gt;all 3&lt;/b&gt;" in page
    assert "<script" not in page and "http" not in page


def test_shared_text_is_marked():
    left, right = marked("Find the sum of 3 and 4.", "Please find the sum of 3 and 9.")
    assert left == "<mark>Find the sum of 3 and</mark> 4."
    assert right == "Please <mark>find the sum of 3 and</mark> 9."
