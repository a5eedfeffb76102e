"""Which samples' texts the page holds: every kind of verdict, however rare; and the counts of fixed and broken."""

import json

import pytest
from mathrl.report.changes import kind, kinds, shares
from mathrl.report.samples import CUT, FALSE_EQUALITY, HEAD, TAIL, Sample, fitting, in_order, index, read_set, shown_text


def samples():
    """1,000 wrong ones and, at the end of the benchmark, 9 right ones of which one has a false equality."""
    found = [Sample(position, 0, "0", 0, 50, f"{position} is wrong " * 30) for position in range(1000)]
    found += [Sample(1000 + at, 0, "1", FALSE_EQUALITY if at == 8 else 0, 50, f"{at} is right " * 30) for at in range(9)]
    return found


def test_rare_verdicts_are_all_there():
    taken, data = fitting(in_order(samples(), frozenset()), 6000)
    assert len(data) <= 6000
    assert sum(s.letter == "1" for s in taken) == 9 and any(s.flags for s in taken)
    assert 20 < len(taken) < 1009


def test_changed_problems_come_first_and_the_longest_always():
    every = [*samples(), Sample(500, 1, "0", 0, 9999, "long")]
    ordered = in_order(every, frozenset({777}))
    assert ordered[0].tokens == 9999
    wrong = [s.position for s in ordered if s.letter == "0" and s.tokens == 50][7:]  # behind the longest, of equal length here
    assert wrong[0] == 777


def test_a_budget_of_nothing_gives_no_text():
    assert fitting(in_order(samples(), frozenset()), 1)[0] in ([], ())


def test_the_index_has_a_letter_per_sample_the_greedy_one_first():
    found = [Sample(0, 0, "1", 0, 5, "a"), Sample(0, -1, "0", CUT, 7, "b"), Sample(3, 0, "b", 0, 2, "c")]
    assert index(found) == [[0, "01", "10", [7, 5]], [3, "-b", "00", [0, 2]]]


def test_a_line_of_a_megabyte_is_cut_in_the_middle_and_says_so():
    text = shown_text("a" * 1_000_000 + "\\boxed{7}")
    assert len(text) < HEAD + TAIL + 100 and text.endswith("\\boxed{7}") and "994\u202f009 characters are left out" in text


def test_flags_come_from_the_text(tmp_path):
    rows = [("2 + 2 = 5 so \\boxed{1}", "stop"), ("2 + 2 = 4", "length")]
    lines = [{"id": "p", "sample": i, "response": r, "finish_reason": f, "tokens": 3} for i, (r, f) in enumerate(rows)]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = {"per_problem": {"id": ["p"], "verdicts": ["1b"], "greedy": [None]}}
    found = read_set(tmp_path / "s.jsonl", result, {"p": 4})
    assert [(s.position, s.letter, s.flags) for s in found] == [(4, "1", FALSE_EQUALITY), (4, "b", CUT)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0.25, 0.5, "fixed"), (0.5, 0.49, "broken"), (1, 0.5, "both right"), (0, 0.49, "both wrong")],
)
def test_solved_is_half_of_the_samples(before, after, told):
    assert kind(before, after) == told


def test_kinds_join_by_problem_and_take_the_greedy_verdict_where_nothing_was_sampled():
    base = {"per_problem": {"id": ["a", "b"], "n": [4, 0], "correct": [1, 0], "greedy": [1, 1]}}
    run = {"per_problem": {"id": ["b", "a", "c"], "n": [0, 4, 4], "correct": [0, 3, 4], "greedy": [0, 0, 0]}}
    assert shares(base) == {"a": 0.25, "b": 1.0}
    assert kinds(base, run) == {"a": "fixed", "b": "broken"}
