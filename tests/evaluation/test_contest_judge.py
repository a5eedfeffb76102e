"""The contest's judge against the original: recorded verdicts, the shared outputs, and its quirks one by one."""

import csv
import gzip
from pathlib import Path

import pytest
from mathrl.core.files import read_jsonl
from mathrl.evaluation.contest_judge import NeedsAlgebra, contest_grades, extract_answer, gold_form, math_equal, strip_string
from support import real_data

HERE = Path(__file__).resolve().parent


def recorded() -> list[dict[str, str]]:
    """Golds of the six benchmarks, an answer written from each in some way, and the original's verdict (1 right, 0 wrong)."""
    with gzip.open(HERE / "contest_verdicts.tsv.gz", "rt", encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def by_text(row: dict[str, str]) -> bool:
    try:
        math_equal(extract_answer(rf"\boxed{{{row['answer']}}}", row["benchmark"]), gold_form(row["gold"], row["benchmark"]))
    except NeedsAlgebra:
        return False
    return True


def differing(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    found = []
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        some = [row for row in rows if row["benchmark"] == benchmark]
        grades = contest_grades([(rf"\boxed{{{row['answer']}}}", row["gold"]) for row in some], benchmark, workers=2)
        found += [row | {"ours": grade.status} for row, grade in zip(some, grades, strict=True) if grade.correct != (row["right"] == "1")]
    return found


def test_the_original_agrees_where_the_text_decides():
    rows = [row for row in recorded() if by_text(row)]
    assert len(rows) > 200 and differing(rows) == []


def test_the_original_agrees_where_algebra_decides():
    rows = [row for row in recorded() if not by_text(row)]
    assert differing(rows[:: len(rows) // 30]) == []


@pytest.mark.full
@pytest.mark.timeout(7_200)  # a minute of processor time, which a busy machine may give at lowest priority within the hour
def test_the_original_agrees_on_999_in_a_thousand():
    rows = recorded()
    found = differing(rows)
    assert len(found) <= len(rows) / 1_000, found


@pytest.mark.parametrize(("file", "name"), [("contest_model_qwen_eval", ""), ("qwen_math_cot_100", "math")])
def test_the_original_agrees_on_all_shared_outputs(file, name):
    rows = list(read_jsonl(real_data.path(f"generations/{file}.jsonl.gz")))
    found = contest_grades([(row["response"], row["gold"]) for row in rows], name, workers=2)
    assert [result.extracted or "" for result in found] == [row["pred"] for row in rows]
    assert [result.correct for result in found] == [row["correct"] for row in rows]


QUIRKS = [
    ("162500", "1625", True, "a factor of 100"),
    ("0.5", "50", True, "a factor of 100"),
    ("100.005", "100", True, "within 1e-4"),
    ("100.02", "100", False, "beyond 1e-4"),
    ("(1,2)", "[1,2]", True, "brackets: part by part, round or square"),
    ("3,5", "35", True, "a comma is no sign to it"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\2.00001\end{pmatrix}", True, "cell by cell"),
    ("pots", "stop", True, "a word is a product of letters"),
    (r"\frac{1}{2},3", r"\frac{1}{2}", True, "it reads as far as it understands"),
    ("2^{2025}", "3^{2025}", True, "both are infinite as floats"),
    ("16km", "16", False, "letters behind a number are factors"),
    (r"9.6\mathrm{~s}", "9.6", False, "and so are commands"),
    (r"\approx9.6", "9.6", False, "a sign before it"),
    ("78.54", r"25\pi", False, "π is a letter"),
    ("€77", "77", False, "no euro sign"),
    ("100~", "100", True, "the third parser knows spaces"),
    ("080+0", "80", True, "and leading zeros"),
    ("a+b=1", "1-a=b", True, "equations by the difference of their sides"),
    (r"\frac{100}{3}", "33.3", False, "1e-3 away"),
    ("(x+1)^2", "x^2+2x+1", True, "symbolic"),
    ("__import__('os').getpid()", "1", False, "nothing is evaluated"),
]


@pytest.mark.parametrize(("prediction", "reference", "same", "reason"), QUIRKS, ids=[f"{p} ~ {r}" for p, r, _, _ in QUIRKS])
def test_quirks(prediction, reference, same, reason):
    assert contest_grades([(rf"\boxed{{{prediction}}}", reference)], "minerva_math")[0].correct is same, reason


@pytest.mark.parametrize(
    ("response", "answer", "reason"),
    [
        (r"\boxed{1,000} dollars", "1,000", "commas stay"),
        ("The answer is: 12.", "12", "the phrase"),
        ("first 3 then -4.00", "-4", "the last number, zeros dropped"),
        (r"\boxed{5 \text{ cm}}", "5", "text at the end"),
        (r"\boxed{025}", "25", "a word number"),
        (r"\boxed{twenty one}", "21", "a word number"),
        (r"\boxed{two or three}", "5", "words between are passed over"),
        (r"\boxed{two million three thousand}", "2004003", "a slip of the original's library"),
        (r"\boxed{\frac12}", r"\frac{1}{2}", "braces"),
        (r"\boxed{3/4}", r"\frac{3}{4}", "a slash"),
        ("no number", "", "nothing"),
        ("<think>\\boxed{1}</think>so \\boxed{2}", "2", "after the thought"),
        (r"so \boxed{15 by", "15", "a box that is never closed is read to the end, units dropped"),
    ],
)
def test_extraction(response, answer, reason):
    assert extract_answer(response) == answer, reason
    assert strip_string(strip_string(answer)) == strip_string(answer)


@pytest.mark.parametrize(
    ("gold", "benchmark", "form", "reason"),
    [
        ("025", "aime24", "25", "a word number"),
        ("27.0", "amc23", "27", "zeros dropped"),
        (r"4 \times 10^{33}", "minerva_math", r"4\times10^{33}", "minerva's golds are stripped once, units kept"),
        (r"x \leq 5 m", "minerva_math", r"x\le5m", "and its relations shortened"),
        (r"5 \text{ cm}", "math500", "5", "text at the end"),
    ],
)
def test_golds(gold, benchmark, form, reason):
    assert gold_form(gold, benchmark) == form, reason


@pytest.mark.parametrize(
    "answer", ["9^{9^{9^{9}}}", "(" * 4_000, "x" * 20_000, r"\frac" * 900, "open('/tmp/hostile','w')", "\udc80", r"\sqrt{" * 300]
)
def test_hostile_answers_get_a_verdict(answer):
    assert contest_grades([(rf"\boxed{{{answer}}}", "x+1")])[0].status in ("different", "timeout", "error", "unparsed_answer")
    assert not Path("/tmp/hostile").exists()


def test_verdicts_do_not_depend_on_workers_or_order():
    pairs = [(rf"\boxed{{{prediction}}}", reference) for prediction, reference, *_ in QUIRKS]
    forward = [grade.correct for grade in contest_grades(pairs, "minerva_math", workers=1)]
    assert [grade.correct for grade in contest_grades(pairs[::-1], "minerva_math", workers=3)][::-1] == forward
