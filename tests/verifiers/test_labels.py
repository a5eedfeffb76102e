"""Step labels from completions: where solutions are cut, what is kept, what is dropped and why."""

import polars
import pytest
from mathrl.core.files import UserError, write_jsonl
from mathrl.data import step_messages
from mathrl.demo.steps import first_error, step_set
from mathrl.verifiers import dialogue, label_files, labels, planted
from mathrl.verifiers.equalities import check_steps
from mathrl.verifiers.labels import Denoising, SampledSolution
from mathrl.verifiers.planted import plant

LIMITS = Denoising(solvable=0.5, lost=0.0)


def solution(response, correct=True, identity="p/0"):
    return SampledSolution(identity, "What?", "7", response, tuple(labels.reasoning_steps(response)), correct)


@pytest.mark.parametrize(
    ("rates", "correct", "marks", "why"),
    [
        ([0.5, 0.75, 1.0, 1.0], True, "+++", "right"),
        ([0.5, 0.75, 0.0, 1.0], True, None, "right, but a prefix is lost"),
        ([0.5, 0.75, 0.0, 0.0], False, "+-", "wrong"),
        ([0.5, 0.0, 0.0, 0.0], False, "-", "wrong"),
        ([0.5, 0.75, 1.0, 0.0], False, "++-", "wrong"),
        ([0.5, 0.0, 0.25, 0.0], False, None, "wrong, but solvable again later"),
        ([0.25, 0.0, 0.0, 0.0], False, None, "wrong, and no clear drop"),
        ([0.75, 0.25, 0.0, 0.0], False, None, "wrong, and no clear drop"),
        ([0.5, 0.0], False, "-", "wrong"),
        ([0.5, 1.0], True, "+", "right"),
    ],
)
def test_only_a_clear_drop_is_an_error(rates, correct, marks, why):
    found, said = labels.decide(rates, correct, LIMITS)
    assert (found and "".join(found), said) == (marks, why)


@pytest.mark.parametrize(
    ("response", "prefixes"),
    [
        ("15 - 4 = 11. 11 + 9 = 20. The answer is 20.", ["15 - 4 = 11.", "15 - 4 = 11. 11 + 9 = 20."]),
        ("The answer is 3.", []),
        ("Step 1:\n  Add 3.\n\n## Step 2\nStop. Done", ["Step 1:\n  Add 3.", "Step 1:\n  Add 3.\n\n## Step 2\nStop."]),
    ],
)
def test_prefixes_are_the_response_as_it_was_written(response, prefixes):
    assert labels.prefixes(solution(response)) == prefixes


def test_cut_off_and_equal_solutions_are_counted_and_left_out():
    rows = [
        {"id": "a", "sample": 0, "response": "One. Two.", "finish_reason": "stop"},
        {"id": "a", "sample": 1, "response": "One. Two.", "finish_reason": "stop"},
        {"id": "a", "sample": 2, "response": "One. Tw", "finish_reason": "length"},
        {"id": "a", "sample": 3, "response": " \n---", "finish_reason": "stop"},
        {"id": "a", "sample": 4, "response": "Go on. " * 41, "finish_reason": "stop"},
    ]
    found, funnel = labels.cut(rows, {"a": {"problem": "What?", "answer": "7"}}, [True, True, False, False, False])
    assert [one.id for one in found] == ["a/0"]
    assert funnel == {"sampled": 5, "duplicate": 1, "cut off, without steps or too long": 3, "different": 1}


def test_rates_are_of_prefix_and_completion_together():
    found = [solution("3 + 4 = 7. So \\boxed{7}."), solution("3 + 4 = 8. So 8.", False, "p/1"), solution("It is 7.", True, "p/2")]
    prefixes = label_files.prefix_rows(found)
    assert [row["prefix"] for row in prefixes] == ["3 + 4 = 7.", "3 + 4 = 8."]
    completions = [{"id": "0", "response": " \\boxed{7}"}, {"id": "0", "response": " So it is 6."}, {"id": "1", "response": " It is 8."}]
    rates = label_files.rates({row["id"]: row for row in prefixes}, completions, 1)
    assert rates == {("What?", "3 + 4 = 7."): 0.5, ("What?", "3 + 4 = 8."): 0.0}
    rows, funnel = label_files.label_all(found, rates, {"p": 0.5}, LIMITS)
    assert [row["marks"] for row in rows] == [["+", "+"], ["-"], ["+"]] and funnel == {"right": 2, "wrong": 1}
    with pytest.raises(UserError, match="nothing to complete"):
        label_files.prefix_rows(found[2:])


WORKED = "13 + 3 = 16. 16 + 7 = 23. The answer is 23."


def test_planted_copies_end_with_a_step_of_which_numbers_alone_are_changed():
    copies = plant([solution(WORKED), solution("It is 8.", False, "p/1"), solution("No number.", True, "p/2")], 12)
    assert len(copies) == len({copy.steps for copy in copies}) == 12 and {copy.id.partition("-")[0] for copy in copies} == {"p/0"}
    for copy in copies:
        assert copy.planted and not copy.correct and copy.steps == tuple(labels.reasoning_steps(copy.response))
        *before, changed = copy.steps
        assert tuple(before) == solution(WORKED).steps[: len(before)] and changed != solution(WORKED).steps[len(before)]
        assert [part for part in changed.split() if part[0].isalpha()] == [
            part for part in solution(WORKED).steps[len(before)].split() if part[0].isalpha()
        ]
    assert {len(copy.steps) for copy in copies} == {1, 2, 3}, "any step may be the wrong one"
    equations = [check_steps([copy.steps[-1]]) for copy in copies if len(copy.steps) < 3]
    assert {found.true == found.checked for found in equations} == {True, False}, "false equations, and true ones of other numbers"
    assert plant([solution(WORKED)], 12) == copies and plant([solution(WORKED)], 0) == []


def test_no_more_copies_are_tried_than_are_asked_for(monkeypatch):
    tried, copy = [], planted._copy
    monkeypatch.setattr(planted, "_copy", lambda *arguments: tried.append(1) or copy(*arguments))
    assert len(plant([solution(WORKED)], 1)) == len(tried) == 1


@pytest.mark.parametrize(
    ("rates", "marks"),
    [
        ((0.75, 1.0, 0.0), "++-"),
        ((0.75, 1.0, 0.25), None),  # the policy still finds the answer: what was changed did not matter, or was put right
        ((0.75, 0.0, 0.0), None),  # a right solution's step is lost: noise
        ((0.75, 0.25, 0.0), None),  # no clear drop
    ],
)
def test_whether_a_planted_step_is_wrong_the_completions_say(rates, marks):
    copy = next(one for one in plant([solution(WORKED)], 12) if len(one.steps) == 3)
    assert labels.prefixes(copy)[-1] == copy.response, "the policy goes on from the changed step, too"
    rows, funnel = labels.label([copy], {copy.id: rates}, {"p": 0.5}, LIMITS)
    assert (rows[0]["marks"] and "".join(rows[0]["marks"])) == marks and next(iter(funnel)).startswith("planted: wrong")


def test_planted_steps_do_not_crowd_out_sampled_ones():
    right = [{"steps": ["a"], "marks": ["+"], "why": "right"}] * 4
    sampled = [{"steps": ["a"], "marks": ["-"], "why": "wrong"}] * 2
    made = [{"steps": ["a"], "marks": ["-"], "why": "planted: wrong"}] * 20
    kept = labels.balanced([*made, *right, *sampled])
    assert [row["why"] for row in kept].count("wrong") == 2 and len(kept) == 8


def test_noise_is_measured_where_the_truth_is_known():
    rows = [{"problem": row["problem"], "steps": row["steps"], "marks": ["+"] * len(row["steps"])} for row in step_set(seed=3, count=40)]
    rows += [{"problem": "Else?", "steps": ["x"], "marks": ["-"]}, {"problem": rows[0]["problem"], "steps": ["x"], "marks": None}]
    found = label_files.noise(rows, first_error)
    assert found["labels"] == {"n": 40, "value": 0.5} and found["with a wrong step"] == {"n": 0, "value": None}
    assert label_files.noise(rows[-2:], first_error) is None


def test_training_rows_are_balanced_and_of_the_run_s_own_problems(tmp_path):
    wrong = [{"problem": f"p{n}", "steps": ["a", "b", "c"], "marks": ["+", "-"], "why": "wrong"} for n in range(3)]
    right = [{"problem": f"q{n}", "steps": ["a"], "marks": ["+"], "why": "right"} for n in range(9)]
    assert label_files.write_labels([*right, *wrong, {"problem": "r", "steps": ["a"], "marks": None}], tmp_path / "labels.parquet") == 6
    rows = polars.DataFrame({"extra_info": [{"original_problem": problem} for problem in ("p1", "q0", "z")]})
    rows.write_parquet(tmp_path / "train.parquet")
    assert step_messages.holds_dialogues(tmp_path / "labels.parquet") and not step_messages.holds_dialogues(tmp_path / "train.parquet")
    assert step_messages.write_messages(tmp_path / "train.parquet", tmp_path / "labels.parquet", tmp_path / "out.parquet") == 2
    turns = polars.read_parquet(tmp_path / "out.parquet")["messages"].to_list()
    assert turns == [dialogue.messages("q0", ["a"], ["+"]), dialogue.messages("p1", ["a", "b"], ["+", "-"])]
    assert [turn["content"] for turn in turns[1]] == ["p1\na", "+", "b", "-"], "what follows an error is not trained on"
    with pytest.raises(UserError, match="none of its steps"):
        polars.DataFrame({"extra_info": [{"original_problem": "z"}]}).write_parquet(tmp_path / "train.parquet")
        step_messages.write_messages(tmp_path / "train.parquet", tmp_path / "labels.parquet", tmp_path / "out.parquet")
    with pytest.raises(UserError, match="without one"):
        label_files.write_labels(right, tmp_path / "labels.parquet")


def test_a_verifier_may_veto_labels_and_solutions(tmp_path):
    from mathrl.config.verifiers import Settings
    from mathrl.verifiers import load

    arithmetic = load.make(Settings("steps", "arithmetic"), root=tmp_path, timeout=60, retries=0, batch_size=8)
    rows = [
        {"problem": "a", "response": "1 + 1 = 3. 3", "steps": ["1 + 1 = 3.", "3"], "marks": ["-"], "correct": False, "why": "wrong"},
        {"problem": "b", "response": "1 + 1 = 2. 2", "steps": ["1 + 1 = 2.", "2"], "marks": ["+", "-"], "correct": False, "why": "wrong"},
        {"problem": "c", "response": "1 + 1 = 2. 2", "steps": ["1 + 1 = 2.", "2"], "marks": ["+", "+"], "correct": True, "why": "right"},
        {"problem": "d", "response": "1 + 2 = 2. 2", "steps": ["1 + 2 = 2.", "2"], "marks": None, "correct": True, "why": "right"},
    ]
    summary = label_files.finish(rows, {"agree": arithmetic, "accept": arithmetic}, tmp_path)
    assert summary == {"disagreed": 1, "labelled": 2, "trained_on": 2, "accepted": 1}
    assert polars.read_parquet(tmp_path / "accepted.parquet").rows() == [("c", "1 + 1 = 2. 2")]


def test_prefixes_continue_the_prompt_of_sampling():
    from mathrl.config.evaluation import FINALIST
    from mathrl.config.sources import Prompt
    from mathrl.evaluation.sampling import Request, prompt_ids

    class Letters:
        def __call__(self, text, **_):
            return {"input_ids": text}

        def apply_chat_template(self, messages, **_):
            return f"<{messages[0]['content']}>"

    plain, begun = Request("p", "b", "i", 0, "What?"), Request("p", "b", "i", 0, "What?", "3 + 4 = 7.")
    prompt = Prompt(instruction="Do: ", separator="")
    assert prompt_ids(Letters(), begun, FINALIST, prompt) == "<Do: What?>3 + 4 = 7."
    assert plain.key != begun.key and prompt_ids(Letters(), plain, FINALIST, prompt) == "<Do: What?>"


def test_prefixes_are_read_as_they_were_written(tmp_path):
    rows = label_files.prefix_rows([solution("One.\n\nTwo.\n\nThree.")])
    write_jsonl(tmp_path / "prefixes.jsonl", rows)
    assert list(label_files.read_prefixes(tmp_path / "prefixes.jsonl").values()) == rows


def test_a_file_without_prefixes_is_refused(tmp_path):
    write_jsonl(tmp_path / "problems.jsonl", [{"id": "p", "problem": "What?", "answer": "7"}])
    with pytest.raises(UserError, match="item 'p' has no prefix"):
        label_files.read_prefixes(tmp_path / "problems.jsonl")
