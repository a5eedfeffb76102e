"""Golds that another judge than ours decides on: a user's, and the generators of reasoning-gym."""

import json

import pytest
from mathrl.core import named_judges
from mathrl.grading import equivalent, grade
from mathrl.judges import protocols, reasoning_gym

JUDGE = """
class Judge:
    def right(self, extracted, gold):
        return extracted[::-1] == gold["answer"]
    def version(self):
        return "1"
"""


@pytest.fixture
def own_judge(monkeypatch, tmp_path):
    """A user's protocol in a file of theirs, as the configuration names it."""
    (tmp_path / "my_judge.py").write_text(JUDGE)
    monkeypatch.setenv(named_judges.NAMES, "")
    named_judges.configure({"backwards": f"{tmp_path}/my_judge.py:Judge"})
    for cache in (protocols.load, protocols.gold_of, protocols._made):
        cache.cache_clear()
    yield "backwards"
    for cache in (protocols.load, protocols.gold_of, protocols._made):
        cache.cache_clear()


def test_gold_with_a_judge_is_graded_by_it_everywhere(own_judge, tmp_path):
    from mathrl.data.answers import _verdicts, classes
    from mathrl.evaluation.grading import evaluate
    from mathrl.rewards.outcome import reward

    gold = protocols.gold_text(own_judge, "abc")
    assert grade("\\boxed{cba}", gold).correct and not grade("\\boxed{abc}", gold).correct and not grade("cba", gold).format
    assert equivalent("cba", gold) and protocols.shown(gold) == "abc" and protocols.shown("12") == "12"
    assert reward("x", "\\boxed{cba}", gold)["acc"] == 1
    assert _verdicts([protocols.gold_text(own_judge, "aba")], []) == [None] and classes([gold, gold]) == [0, 0]
    problems = {"1": {"id": "1", "problem": "?", "answer": gold}}
    samples = [{"id": "1", "sample": 0, "response": "\\boxed{cba}", "tokens": 3, "finish_reason": "stop"}]
    for grader in ("ours", "contest"):
        found = evaluate(samples, problems, grader=grader, extraction="strict", workers=1)
        assert found["statuses"]["equal"] == 1, grader
        assert list(found["grader_protocols"]) == [own_judge]
    import polars as pl
    from mathrl.training.fingerprints import grader_protocols

    pl.DataFrame({"reward_model": [{"style": "rule", "ground_truth": text} for text in (gold, "3")]}).write_parquet(tmp_path / "t.parquet")
    assert grader_protocols(tmp_path / "t.parquet") == protocols.versions([gold])
    assert len(protocols.versions([gold])[own_judge].split()) == 2, "its version and the hash of its file"


OTHERS = [
    "os:system", "my_judge:Judge", "mathrl.judges.reasoning_gym:ReasoningGym", "{folder}/my_judge.py:Judge", "my_judge.py:Judge",
    "Backwards", "backwards ", "", 5, None, ["backwards"], {"backwards": 1}, "a" * 300 + ":x",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS, ids=[str(name)[:40] for name in OTHERS])
def test_data_can_name_no_other_code(name, own_judge, tmp_path):
    """Not even the file of a judge that the configuration names in another way."""
    name = name.replace("{folder}", str(tmp_path)) if isinstance(name, str) else name
    text = json.dumps({"protocol": name, "answer": "1"})
    found = grade("\\boxed{1}", text)
    assert protocols.gold_of(text) is None and not found.correct and found.status == "unparsed_gold"


def test_what_a_data_set_says_of_judges_is_read_or_counted(own_judge):
    """As an object or as text; a judge that nobody has is a reason of its own."""
    from mathrl.data.gold import NoGold, text_of

    gold = protocols.gold_text(own_judge, "abc", more="é")
    assert text_of({"answer": "abc", "more": "é", "protocol": own_judge}) == text_of(gold) == gold
    for value in ({"protocol": "nobody", "answer": "1"}, '{"protocol": "nobody", "answer": "1"}', {"protocol": own_judge, "answer": 1}):
        with pytest.raises(NoGold, match="names a judge that grader_protocols does not have, or lacks what it needs"):
            text_of(value)
    for value in ({"answer": "1"}, '{"answer": "1"}'):
        with pytest.raises(NoGold, match="the answer is a JSON object"):
            text_of(value)


@pytest.mark.parametrize("more", [{}, {"generator": 5}, {"generator": ["countdown"]}])
def test_generated_gold_without_its_generator_is_no_gold(more):
    text = protocols.gold_text("reasoning-gym", "4", **more)
    assert protocols.gold_of(text) is None and grade("\\boxed{4}", text).status == "unparsed_gold"
    assert protocols.gold_of(protocols.gold_text("reasoning-gym", "4", generator="countdown"))


@pytest.mark.parametrize(
    ("generator", "text", "asked"),
    [
        ("countdown", "(75 + 8) * 2 - 28/4", True), ("simple_integration", "x**3/3 + sin(x) + C", True),
        ("countdown", "__import__('os').system('true')", False), ("countdown", "x.__class__", False), ("puzzle24", "9**9**9", False),
        ("puzzle24", "2**99999", False), ("countdown", "preview(x)", False), ("spiral_matrix", "[1, 2, 3]", True),
        ("spiral_matrix", "[exit()]", False), ("n_queens", "f'{1}'", False), ("caesar_cipher", "HELLO (WORLD)", True),
        ("countdown", "1" * 5000, False),
    ],
)  # fmt: skip
def test_what_a_judge_would_run_is_not_asked(generator, text, asked):
    assert reasoning_gym.may_be_asked(generator, text) is asked


def test_latex_is_read_as_the_generators_write():
    assert reasoning_gym.plain("3 \\times \\left(4 + 5\\right) \\div \\frac{1}{2}") == "3 * (4 + 5) / ((1)/(2))"
    assert reasoning_gym.plain("$\\text{true}$") == "true"
