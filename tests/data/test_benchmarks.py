"""Benchmarks in one shape: each gold trap, on rows of the real files' shapes and on the real files."""

import json

import pytest
from mathrl.core.files import UserError
from mathrl.data.benchmarks import canonical_rows, read_benchmark

TRAPS = [
    ({"answer": 27.0}, "27", "amc23 stores floats"),
    ({"answer": 0.5}, "0.5", "a float that is no integer stays"),
    ({"answer": "025"}, "25", "aime24 keeps leading zeros"),
    ({"answer": "000"}, "0", "nothing but zeros"),
    ({"answer": "0.25"}, "0.25", "a decimal keeps its zero"),
    ({"answer": "She makes 9 * 2 = $<<9*2=18>>18.\n#### 18"}, "18", "gsm8k hides the answer behind a mark"),
    ({"answer": "…\n#### 70,000"}, "70000", "gsm8k writes thousands separators"),
    (
        {"solution": r"so $\boxed{3}$ or rather \boxed{\frac{2 \pi}{d^{2}}} m"},
        r"\frac{2 \pi}{d^{2}}",
        "minerva_math: the last box, nested braces",
    ),
    ({"solution": r"the answer is $\boxed 5$."}, "5", "a box without braces"),
    ({"final_answer": ["$2^{1009}$"], "solution": r"\boxed{7}"}, "2^{1009}", "olympiadbench: final_answer, without $"),
    ({"final_answer": ["$69$,$84$"], "is_multiple_answer": True}, "69,84", "olympiadbench: several answers in one string"),
    ({"answer": r"\left( 3, \frac{\pi}{2} \right)"}, r"\left( 3, \frac{\pi}{2} \right)", "math500: as it is"),
    ({"final_answer": ["$2$", "$-2$"], "is_multiple_answer": True}, "2, -2", "several golds in a list: all of them"),
    ({"answer": True}, "True", "a truth value is an answer"),
]


@pytest.mark.parametrize(("row", "gold", "reason"), TRAPS, ids=[reason for *_, reason in TRAPS])
def test_gold(row, gold, reason):
    assert canonical_rows([{"problem": "?", **row}], "file")[0]["answer"] == gold, reason


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no problems; fetch"),
        ([{"id": 1, "problem": "a", "answer": 1}, {"id": "1", "problem": "b", "answer": 2}], "the id '1' occurs twice"),
        ([{"id": 1, "problem": 3, "answer": 1}], "the problem of item '1' is no text"),
        ([{"id": 1, "answer": 1}], "lacks the key 'problem'"),
    ],
)
def test_canonical_file_that_is_none(lines, message, tmp_path):
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match=message):
        read_benchmark(tmp_path / "b.jsonl")


def test_ids_and_answers_become_text(tmp_path):
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": 7, "problem": "a", "answer": 1.5, "domain": ["x"]}) + "\n")
    assert read_benchmark(tmp_path / "b.jsonl") == {"7": {"id": "7", "problem": "a", "answer": "1.5", "domain": ["x"]}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": 1, "text": "?", "answer": "1"}], "no layout is known with these columns: id, text, answer"),
        ([{"id": 1, "problem": "?"}], "no layout is known with these columns: id, problem"),
        ([{"id": 1, "problem": "?", "answer": None}], "1 of 1 items cannot be used: no answer (1: row 1)"),
    ],
)
def test_bad_row_is_named(rows, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(").replace(")", r"\)")):
        canonical_rows(rows, "file")


KINDS = (
    "numerical substitution", "digit expansion", "integer-decimal-fraction conversion", "adding operation",
    "reversing operation", "problem understanding", "distraction insertion", "critical thinking",
)  # fmt: skip


def gsm_plus(seeds):
    """Rows in the columns of GSM-Plus: eight changes of each seed, of which the last takes away what an answer needs."""
    for seed in range(seeds):
        rest = {"seed_question": f"Ann has {seed} pears?", "seed_solution": f"#### {seed}", "seed_answer": str(seed)}
        for kind in KINDS:
            answer = "None" if kind == "critical thinking" else f"{seed}.5"
            yield {
                "question": f"{kind}: Ann has {seed}?",
                "solution": f"So it is {answer}.",
                "answer": answer,
                "perturbation_type": kind,
                **rest,
            }


def test_rows_of_gsm_plus_that_have_no_answer_by_design_are_left_out_by_name(capsys):
    """An eighth of its rows: more than a tenth, which as rows without a gold would stop the run."""
    found = canonical_rows(gsm_plus(30), "gsm_plus")
    said = capsys.readouterr().err
    assert len(found) == 210 and {item["domain"] for item in found} == set(KINDS[:7]) and found[0]["answer"] == "0.5"
    assert (
        "layout 'GSM-Plus'" in said and "30 of 240 rows are no items by the layout: perturbation_type is 'critical thinking' (30)" in said
    )
    assert "left out" not in said, "they are counted apart"


def test_a_file_of_rows_that_are_no_items_says_so():
    rows = [row for row in gsm_plus(2) if row["perturbation_type"] == "critical thinking"]
    with pytest.raises(
        UserError, match=r"holds no items, since of all rows perturbation_type is 'critical thinking' \(2\); correct the file"
    ):
        canonical_rows(rows, "gsm_plus")


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        (None, "no choices"),
        ({"text": ["7", "8", "9"], "label": ["A", "C", "C"]}, "two choices have one label"),
        ({"text": ["7", "8"], "label": ["A", "B", "C"]}, "the choices have not one label each"),
    ],
)
def test_an_item_of_arc_whose_choices_are_wrong_is_left_out(choices, why, capsys):
    """Its answer would be a letter that stands for nothing, or for two things."""
    good = {"text": ["7", "8", "9"], "label": ["A", "B", "C"]}
    rows = [{"id": str(number), "question": f"{number}?", "choices": good, "answerKey": "C"} for number in range(20)]
    assert len(canonical_rows([*rows, {**rows[0], "id": "odd", "question": "odd?", "choices": choices}], "arc")) == 20
    assert f"1 of 21 rows are left out: {why} (1: row 21)" in capsys.readouterr().err


@pytest.mark.parametrize(("lost", "stops"), [(105, False), (106, True)])
def test_other_rows_of_gsm_plus_without_an_answer_count_as_lost(lost, stops, capsys):
    """Half of the 210 rows that are items may be lost, not of all 240."""
    rows = list(gsm_plus(30))
    for row in [row for row in rows if row["perturbation_type"] != "critical thinking"][:lost]:
        row["answer"] = "None"
    if stops:
        with pytest.raises(UserError, match="106 of 210 items cannot be used"):
            canonical_rows(rows, "gsm_plus")
    else:
        assert len(canonical_rows(rows, "gsm_plus")) == 105
        assert "105 of 240 rows are left out: the answer is the text 'none' (105: row 1" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "count"), [("aime25", 30), ("hmmt25", 30), ("brumo25", 30), ("cmimc25", 40)])
def test_contests_of_2025_are_read_as_their_publisher_has_them(shared, name, count):
    """MathArena's columns: problem_idx, problem, answer (a number for AIME), problem_type."""
    path = shared / "benchmarks_2025" / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    rows = list(read_benchmark(path).values())
    raw = [
        {"problem_idx": number, "problem": row["problem"], "problem_type": row.get("domain") or []} for number, row in enumerate(rows, 1)
    ]
    for upstream, row in zip(raw, rows, strict=True):
        upstream["answer"] = int(row["answer"]) if name == "aime25" else row["answer"]
    found = canonical_rows(raw, name)
    assert len(found) == count == len({item["id"] for item in found})
    assert [item["problem"] for item in found] == [row["problem"] for row in rows]
    assert [item["answer"].strip("$ ") for item in found] == [row["answer"].strip("$ ") for row in rows]


def test_real_files_have_one_gold_each(shared):
    """The real files, read as if they had just been downloaded, in the upstream shapes."""
    for name, count in {"aime24": 30, "amc23": 40, "gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675}.items():
        rows = [json.loads(line) for line in (shared / "benchmarks" / f"{name}.jsonl").read_text().splitlines()]
        gold = {str(row["id"]): row["answer"] for row in rows}
        raw = [dict(row) for row in rows]
        for row in raw:
            if name == "amc23":
                row["answer"] = float(row["answer"])
            elif name == "gsm8k":
                row["answer"] = row.pop("solution")
            elif name == "minerva_math":
                del row["answer"]
        found = canonical_rows(raw, name)
        assert len(found) == count
        for item in found:
            expected = gold[item["id"]].replace("$", "") if name == "olympiadbench" else gold[item["id"]]
            assert item["answer"] == (expected.lstrip("0") or "0" if name == "aime24" else expected.strip()), item["id"]
        assert all(item["answer"] for item in found)
        assert name != "olympiadbench" or not any("$" in item["answer"] for item in found)
        assert len(read_benchmark(shared / "benchmarks" / f"{name}.jsonl")) == count
