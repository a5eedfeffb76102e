# ruff: noqa: E501 - tables are read by lines
"""The row contract: what goes to quarantine, what is filtered, what stops the run."""

import json
import random
from collections import Counter

import polars as pl
import pytest
from support.cleaning import SETTINGS

GOOD = {"prompt": "What is $1+1$?", "solution": "2", "source": "made", "domain": ["Arithmetic"], "llama8b_solve_rate": 0.5}


def row(**cells) -> dict:
    return GOOD | cells


@pytest.fixture
def clean(tmp_path, script):
    """Write a dataset, clean it; returns the process and readers of what it made."""

    def call(rows=None, *options, data: bytes | None = None, schema=None):
        path = tmp_path / "raw.parquet"
        if data is not None:
            path.write_bytes(data)
        elif rows is not None:
            pl.DataFrame(rows, schema_overrides=schema, strict=False).write_parquet(path)
        done = script(
            "clean_problems.py", "--dataset", "raw.parquet", "--out", "problems.parquet", "--quarantine", "quarantine.parquet",
            "--funnel", "funnel.json", *options,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert not list(tmp_path.glob(".*")), "temporary files are left"
        return done

    return call


def many(count: int = 300) -> list[dict]:
    return [
        row(prompt=f"A train with {i} cars takes {i * 7 + 1} hours. How far does it go?", solution=str(i), llama8b_solve_rate=i / 10_000)
        for i in range(count)
    ]


@pytest.fixture
def quick(tmp_path, capsys):
    """The same without a process of its own: rows and options in, the problems' answers and the summary out."""
    from mathrl.data import cleaning
    from mathrl.decontamination.compare import surely_same

    def call(rows, **options):
        pl.DataFrame(rows, strict=False).write_parquet(tmp_path / "raw.parquet")
        out, quarantine = tmp_path / "problems.parquet", tmp_path / "quarantine.parquet"
        made = cleaning.clean(tmp_path / "raw.parquet", out, quarantine, SETTINGS | options, None, 1, surely_same)
        return pl.read_parquet(out)["answer"].to_list(), made.summary(tmp_path / "raw.parquet"), capsys.readouterr().err

    return call


BAD_ROWS = [
    (row(prompt="  \n"), "empty problem"),
    (row(prompt=None), "empty problem"),
    (row(solution=""), "empty answer"),
    (row(llama8b_solve_rate=1.5), "solve rate outside 0–1"),
    (row(llama8b_solve_rate=float("nan")), "solve rate outside 0–1"),
    (row(prompt="x" * 5_000_000), "problem longer than 20000 characters"),
    (row(prompt="broken \ufffd text"), "invalid characters"),
]


def test_bad_rows_go_to_quarantine_with_their_reasons(clean, tmp_path):
    done = clean([*many(800), *(bad for bad, _ in BAD_ROWS)])
    assert done.returncode == 0, done.stderr
    kept, out = pl.read_parquet(tmp_path / "problems.parquet"), pl.read_parquet(tmp_path / "quarantine.parquet")
    reasons = [reason for _, reason in BAD_ROWS]
    assert len(kept) == 800 and out["reason"].to_list() == reasons and out["row"].to_list() == list(range(800, 800 + len(reasons)))
    assert json.loads((tmp_path / "funnel.json").read_text())["quarantine"] == dict(Counter(reasons))


def test_too_many_bad_rows_stop_the_run_and_the_quarantine_tells_why(clean, tmp_path):
    done = clean([*many(20), row(prompt="")])
    assert done.returncode == 2
    assert "1 of 21 rows break the contract" in done.stderr and "empty problem (1 rows, the first is row 20)" in done.stderr
    assert not (tmp_path / "problems.parquet").exists()
    assert len(pl.read_parquet(tmp_path / "quarantine.parquet")) == 1


def test_missing_column_lists_what_there_is(clean):
    done = clean([{"text": "What is 1+1?", "solution": "2"}])
    assert done.returncode == 2 and "lacks a column 'problem'" in done.stderr and "it has: text, solution" in done.stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "no whole parquet file"), (b"PAR1 no more", "no whole parquet file"), (b"{}\n" * 500, "no whole parquet file")],
    ids=["empty file", "truncated", "no parquet at all"],
)
def test_broken_file_is_named(data, message, clean, tmp_path):
    done = clean(data=data)
    assert done.returncode == 2 and "raw.parquet" in done.stderr and message in done.stderr
    assert not (tmp_path / "problems.parquet").exists()


def test_file_cut_in_the_middle_is_named(clean, tmp_path):
    pl.DataFrame(many(2000)).write_parquet(tmp_path / "raw.parquet")
    whole = (tmp_path / "raw.parquet").read_bytes()
    done = clean(data=whole[: len(whole) // 2] + whole[len(whole) // 2 + 900 :])
    assert done.returncode == 2 and "raw.parquet" in done.stderr


def test_empty_dataset_and_wrong_types(clean, tmp_path):
    assert "holds no rows" in clean([], schema=None, data=_empty(tmp_path)).stderr
    done = clean([{"prompt": ["a", "b"], "solution": "2"}])
    assert done.returncode == 2 and "'prompt' holds List(String), text is needed" in done.stderr


def _empty(tmp_path) -> bytes:
    pl.DataFrame({"prompt": [], "solution": []}, schema={"prompt": pl.String, "solution": pl.String}).write_parquet(tmp_path / "e.parquet")
    return (tmp_path / "e.parquet").read_bytes()


def test_invalid_utf8_is_refused_or_quarantined(clean, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [b"What is 1+1?", b"broken \xff\xfe text", b"What is 2+2?"]
    column = pa.StringArray.from_buffers(3, *pa.array(texts, pa.binary()).buffers()[1:])
    pq.write_table(pa.table({"prompt": column, "solution": pa.array(["2", "3", "4"])}), tmp_path / "raw.parquet")
    done = clean(None, "--max-quarantine", "0.5")
    if done.returncode == 0:
        assert pl.read_parquet(tmp_path / "quarantine.parquet")["reason"].to_list() == ["invalid characters"]
    else:
        assert done.returncode == 2 and "raw.parquet" in done.stderr


def test_ten_thousand_identical_problems_are_one(clean, tmp_path):
    done = clean([row()] * 10_000)
    assert done.returncode == 0, done.stderr
    assert len(pl.read_parquet(tmp_path / "problems.parquet")) == 1
    done = clean([row()] * 10_000, "--duplicates", "none")
    kept = pl.read_parquet(tmp_path / "problems.parquet")
    assert len(kept) == 10_000 and kept["id"].n_unique() == 10_000 and kept["duplicate_group"].n_unique() == 1


DUPLICATES = [
    ("Find the sum of the first 20 odd numbers.", "find the SUM of the first 20 odd numbers", True, "case and punctuation"),
    ("Tom buys 5 red apples and 7 green pears at the big old market on Monday morning. How many fruits?",
     "Tom buys 5 red apples and 7 green pears at the big old market on a Monday morning. How many fruits?", True, "one light word"),
    ("What is 12 + 7?", "What is 12 - 7?", False, "another sign"),
    ("What is 5 + 3 - 2?", "What is 5 - 3 + 2?", False, "signs in another order"),
    ("Tom has 9 apples and gives away 3. How many are left?", "Tom has 9 apples and gives away 4. How many are left?", False, "another number"),
    ("Find the largest n with n^2 < 50.", "Find the smallest n with n^2 < 50.", False, "the opposite question"),
    ("If x = 3 and y = 4, find x.", "If x = 3 and y = 4, find y.", False, "another variable is asked for"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "same", "reason"), DUPLICATES, ids=[reason for *_, reason in DUPLICATES])
def test_duplicates(left, right, same, reason):
    from mathrl.data.duplicates import Signatures
    from mathrl.data.problems import problem_ids

    texts = pl.Series([left, right, "Something else entirely with 99 words."])
    for order in (texts, texts.reverse()):
        signatures = Signatures()
        signatures.add(order)
        groups = dict(zip(order, signatures.groups(problem_ids(order), "near"), strict=True))
        assert (groups[left] == groups[right]) == same, reason


def test_filters_are_counted_in_order(clean, tmp_path):
    rows = [*many(50), row(prompt="小明有3个苹果和5个梨,一共有多少个水果?", solution="8"), row(prompt="From another place, 4 things", source="elsewhere"),
            row(prompt="What is 1+1 exactly?", solution="proof")]  # fmt: skip
    done = clean(rows, "--sources", "made", "--english-only", "--verifiable")
    assert done.returncode == 0, done.stderr
    steps = {step["step"]: (step["rows_in"], step["rows_out"]) for step in json.loads((tmp_path / "funnel.json").read_text())["steps"]}
    assert list(steps) == ["contract", "sources", "english_only", "verifiable", "duplicates_near"]
    assert steps["sources"] == (53, 52) and steps["english_only"] == (52, 51) and steps["verifiable"] == (51, 50)


def test_a_source_that_no_row_has_is_refused_with_the_nearest(clean, tmp_path):
    done = clean([*many(50), row(prompt="From another place, 4 things", source="elsewhere")], "--sources", "made", "elsewere")
    assert done.returncode == 2 and not (tmp_path / "problems.parquet").exists()
    said = "config: data.filters.sources: no problem is of the source 'elsewere'; did you mean 'elsewhere'? There are: elsewhere, made"
    assert done.stderr.strip().endswith(said)


def test_difficulty_is_counted_and_nothing_lost(clean, tmp_path):
    rows = [*many(100), row(prompt="Nobody tried these 5 things", llama8b_solve_rate=None)]
    clean(rows)
    difficulty = json.loads((tmp_path / "funnel.json").read_text())["difficulty"]
    assert difficulty["outside"] == 2, "one row without a rate, and the one at the least rate, as in upstream's bands"
    assert sum(difficulty["rows"].values()) == 99 and set(difficulty["rows"].values()) <= {19, 20, 21}
    clean(rows, "--difficulty-bands", "0.005", "0.002")
    assert json.loads((tmp_path / "funnel.json").read_text())["difficulty"]["rows"] == {"1": 49, "2": 30, "3": 21}
    assert clean(rows, "--difficulty-bands", "easy").returncode == 2


def test_quintiles_are_upstreams(clean, tmp_path):
    """Cut-offs and bands of pandas.qcut over all rows, also those that a filter drops, as in upstream's create_dataset.py."""
    import pandas

    generator = random.Random(3)
    rows = [
        row(prompt=f"A wall of {i * 3 + 2} bricks has {i} rows. How wide is it?", llama8b_solve_rate=generator.randrange(65) / 64)
        for i in range(997)
    ]
    rates = [entry["llama8b_solve_rate"] for entry in rows]
    rows += [row(prompt=rows[0]["prompt"], llama8b_solve_rate=rates[0])] * 3
    _, edges = pandas.qcut(rates + [rates[0]] * 3, q=5, retbins=True)
    clean(rows)
    funnel = json.loads((tmp_path / "funnel.json").read_text())["difficulty"]
    assert funnel["cuts"] == pytest.approx([edges[4], edges[3], edges[2], edges[1], edges[0]])
    for number in range(5):
        assert funnel["rows"][str(5 - number)] == sum(edges[number] < rate <= edges[number + 1] for rate in rates)
    assert funnel["outside"] == sum(rate == edges[0] for rate in rates) > 0


def test_same_bytes_whatever_the_workers_and_the_parts(clean, tmp_path, monkeypatch):
    rows = many(3000)
    seen = set()
    for workers in ("1", "2", "2"):
        clean(rows, "--workers", workers, "--verifiable")
        seen.add((tmp_path / "problems.parquet").read_bytes() + (tmp_path / "funnel.json").read_bytes())
    assert len(seen) == 1


def test_plain_answers_are_what_the_grader_accepts():
    from mathrl.data.answers import PLAIN_ANSWER
    from mathrl.grading import equivalent

    for answer in ("0", "-17", "3.14159", "-0.5", "22/7", r"\frac{1}{2}", r"-\dfrac{22}{7}", "123456789012345"):
        assert pl.Series([answer]).str.contains(PLAIN_ANSWER).all() and equivalent(answer, answer), answer


EARNED = [
    ("12", True, "a number"),
    (r"\\left( 3, \\frac{\\pi}{2} \\right)".replace("\\\\", "\\"), True, "a point"),
    ("x^2 + 3x", True, "a formula"),
    ("B", True, "a letter"),
    ("She has 3 + 4 = <<3+4=7>>7.\n#### 7", False, "GSM8K's solution"),
    ("First we see that " + "it is so and " * 40, False, "a text"),
    ("so we get $\\boxed{7}$", False, "MATH's solution"),
    ("notfound", False, "NuminaMath's placeholder"),
    ("null", False, "PURE's placeholder"),
    ("None", False, "GSM-Plus' placeholder"),
    ("NaN", False, "a missing number"),
    ("proof", False, "no answer is asked for"),
]


def test_only_golds_that_can_be_earned_are_verifiable():
    from mathrl.data.answers import AnswerCheck

    with AnswerCheck(1) as check:
        reasons = check.reasons(pl.Series([gold for gold, *_ in EARNED]))
    for (gold, earned, what), reason in zip(EARNED, reasons, strict=True):
        assert (reason is None) == earned, (what, gold, reason)


def test_filter_that_drops_too_many_stops_with_reasons_and_examples(clean, tmp_path):
    rows = [row(prompt=f"{entry['prompt']} How?", solution=f"So {i}.\n#### {i}") for i, entry in enumerate(many(20))]
    done = clean([*rows, *many(15)], "--verifiable")
    assert done.returncode == 2 and "the filter verifiable drops 20 of 35 rows" in done.stderr
    assert "the gold is a whole solution: 20 rows, such as 'So 0. #### 0', 'So 1. #### 1', 'So 2. #### 2'" in done.stderr
    assert not (tmp_path / "problems.parquet").exists()


def test_rows_that_the_layout_left_out_are_counted_by_reason(quick):
    rows = [{**entry, "left_out": None} for entry in many(9)] + [row(solution=None, left_out="the solution has no box")]
    _, funnel, _ = quick(rows)
    assert funnel["steps"][0] == {"step": "layout", "rows_in": 10, "rows_out": 9}
    assert funnel["dropped"] == {"layout": {"the solution has no box": 1}} and funnel["quarantine"] == {}


def test_number_that_is_none_goes_to_quarantine(quick):
    rows = [{"problem": f"What is {i} plus {i}, then?", "answer": float("nan") if i == 2 else float(i)} for i in range(5)]
    answers, funnel, _ = quick(rows)
    assert funnel["quarantine"] == {"empty answer": 1} and answers == ["0", "1", "3", "4"]


TWICE = [
    ([("Find $n$ if $n^2=49$.", "7"), ("Find n if n^2 = 49.", "-7")], [], "one problem, two golds: nobody knows which"),
    ([("How many of the 12 boys in a class of 25 pupils are on the team of the school?", "7"),
      ("Find how many of the 12 boys in a class of 25 pupils are on the team of the school.", "8")], [], "nearly one text, two golds"),
    ([(f"Two cards are drawn from a pack one after the other with replacement. What is the probability that the first is black and the second a {which}?", gold)
      for which, gold in (("king", "1/26"), ("king or queen", "1/13"))], ["1/26", "1/13"], "a word more"),
    ([("How many ways are there to put 5 balls in 3 boxes if the balls are not distinguishable but the boxes are?", "21"),
      ("How many ways are there to put 5 balls in 3 boxes if the balls are distinguishable but the boxes are not?", "41")], ["21", "41"],
     "another thing is denied"),
    ([("What is $88 \\div (4 \\div 2)$, all in all?", "44"), ("What is $88 \\div 4 \\div 2$, all in all?", "11")], ["44", "11"], "brackets"),
    ([("Find $n$ if $n^2=49$.", "0.5"), ("Find n if n^2 = 49.", "1/2")], ["0.5"], "one gold in two writings"),
    ([("Find $x$ for which $(x+1)^2=9$.", "2"), ("Find $x$ for which $x+1^2=9$.", "8")], ["2", "8"], "brackets make another problem"),
    ([("Arrange the letters of the word RADII in many ways.", "60"), ("Arrange the letters of the word MADAM in many ways.", "30")],
     ["60", "30"], "another word, another gold"),
    ([("Look: [asy]draw((0,0)--(3,4));[/asy] How long is the line from O to P?", "5"),
      ("Look: [asy]draw((0,0)--(6,8));[/asy] How long is the line from O to P?", "10")], ["5", "10"], "another drawing"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "kept", "reason"), TWICE, ids=[reason for *_, reason in TWICE])
def test_golds_tell_different_problems_from_contradictions(rows, kept, reason, quick):
    answers, funnel, _ = quick([*many(3), *({"prompt": text, "solution": gold} for text, gold in rows)])
    assert answers[3:] == kept
    steps = {step["step"]: step["rows_in"] - step["rows_out"] for step in funnel["steps"]}
    assert steps.get("conflicting_golds", 0) == (0 if kept else 2) == sum(funnel.get("dropped", {}).get("conflicting_golds", {}).values())
    assert funnel["near_with_other_golds"] == (2 if kept[1:] and reason != "another word, another gold" else 0)


@pytest.mark.parametrize(
    "counts",
    [
        {0.0: 28, 0.125: 30, 0.25: 12, 0.5: 20, 1.0: 10},
        {0.0: 70, 0.5: 10, 1.0: 20},
        {0.0: 500, **{i / 16: 3 for i in range(1, 17)}},
        {0.5: 20},
    ],
)
def test_bands_of_few_values_are_not_empty_and_lose_no_row(counts, quick):
    rates = [rate for rate, count in counts.items() for _ in range(count)]
    _, summary, said = quick(
        [row(prompt=f"A wall of {i * 3 + 2} bricks has {i} rows. How wide is it?", llama8b_solve_rate=rate) for i, rate in enumerate(rates)]
    )
    found = summary["difficulty"]
    assert found["outside"] == 0 and sorted(found["rows"]) == [str(band) for band in range(1, min(5, len(counts)) + 1)]
    assert sum(found["rows"].values()) == len(rates) and "coincide" in said
