"""200 problems of our own with a rewording each: which are found when reworded, with another number, or with a sentence more.

`rewordings.tsv` was written for this test, after the thresholds were set; nothing was fitted to it. Run with `-s` to see the figures.
"""

import re
from pathlib import Path

import polars as pl
import pytest
from mathrl.decontamination import Settings, find_matches

PAIRS = [line.split("\t") for line in Path(__file__).with_name("rewordings.tsv").read_text().splitlines()]
ITEMS = [item for item, _ in PAIRS]
SENTENCE = "The weather is fine and everybody is in a good mood. "
TOKENS = ("exact", "ngram", "fuzzy")


def matched(rows, **settings) -> pl.DataFrame:
    """Matches of each row with its own item."""
    frame = pl.DataFrame({"id": [str(number) for number in range(len(rows))], "problem": rows})
    items = [{"id": str(number), "problem": text, "answer": "1"} for number, text in enumerate(ITEMS)]
    found = find_matches(frame, {"b": items}, Settings(**settings))
    return found.filter(pl.col("problem_id") == pl.col("item_id"))


def with_another_number(text: str) -> str:
    numbers = list(re.finditer(r"\d[\d,]*", text))
    chosen = numbers[len(text) % len(numbers)]
    return f"{text[: chosen.start()]}{int(chosen[0].replace(',', '')) + 3}{text[chosen.end() :]}"


def with_a_sentence_more(text: str) -> str:
    place = text.rindex(". ") + 2
    return text[:place] + SENTENCE + text[place:]


def test_another_number_is_another_problem_and_a_sentence_more_the_same():
    assert len(PAIRS) == 200 and all(len(pair) == 2 for pair in PAIRS)
    assert matched([with_another_number(item) for item in ITEMS], methods=TOKENS).is_empty()
    found = matched([with_a_sentence_more(item) for item in ITEMS], methods=TOKENS)["item_id"].n_unique()
    print(f"{found} of {len(ITEMS)} with a sentence more are found")
    assert found >= 0.85 * len(ITEMS)


@pytest.mark.full
def test_reworded_costs_few_flags(model, problems, benchmarks):
    """Items of GSM8K that rows of its training half flag: no row is an item in other words."""
    rows = problems("gsm8k_train").select("id", "problem").head(312)
    items = {"gsm8k": benchmarks["gsm8k"]}
    found = find_matches(rows, items, Settings(methods=("reworded",), embedding_model=model))
    texts = {item["id"]: item["problem"] for item in items["gsm8k"]}
    for row, item, score in found.select("problem_id", "item_id", "score").iter_rows():
        print(f"{score} {rows.filter(id=row)['problem'][0]!r}\n       {texts[item]!r}")
    print(f"{len(rows)} rows flag {found['item_id'].n_unique()} of {len(texts)} items")
    assert found["item_id"].n_unique() <= 0.02 * len(texts) and not found["removed"].any()


@pytest.mark.full
def test_rewordings_are_flagged(model):
    """Of what has another number nothing is removed, and little flagged."""
    settings = {"methods": (*TOKENS, "reworded"), "embedding_model": model}
    flagged = matched([text for _, text in PAIRS], **settings)
    changed = matched([with_another_number(text) for pair in PAIRS for text in pair[1:]], **settings)
    found = flagged["item_id"].n_unique()
    print(
        f"{found} of {len(PAIRS)} rewordings are flagged; of those with another number {changed['item_id'].n_unique()} are flagged, "
        f"{changed.filter('removed')['item_id'].n_unique()} removed"
    )
    assert found >= 0.80 * len(PAIRS) and not flagged["removed"].any()
    assert len(changed) <= 0.02 * len(PAIRS) and not changed["removed"].any()
