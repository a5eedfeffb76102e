"""Problems from generators, and golds that another judge than ours decides on."""

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


def test_seed_of_exports_depends_on_all_weights_and_on_no_order(tmp_path):
    from mathrl.core.files import UserError
    from mathrl.data.generated import seed_of

    paths = []
    for name in "abc":
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps({"model_sha256": name * 64}))
    assert seed_of(paths) == seed_of(paths[::-1]) != seed_of(paths[:2])
    with pytest.raises(UserError, match="--exports"):
        seed_of([])
    for content in ("[]", "{}", '{"model_sha256": null}', "[" * 100_000):
        paths[0].write_text(content)
        with pytest.raises(UserError, match=r"a\.json: is no"):
            seed_of(paths)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_generators_make_data_sets_and_benchmarks_that_their_judge_grades(tmp_path, script):
    """Every generator of the package: made twice alike and its own answers right, or refused in one line."""
    from mathrl.core.files import UserError, read_jsonl
    from mathrl.data import generated as made
    from mathrl.data.downloads import Origin, Pin
    from reasoning_gym.factory import DATASETS

    sound, refused = {}, {}
    for name in sorted(DATASETS):
        pin = Pin(name, "benchmark", Origin("reasoning-gym", name, "7"), rows=3)
        try:
            sound[name] = list(made.rows(pin, 7))
        except UserError as error:
            refused[name] = str(error)
    print(
        len(sound),
        "generators;",
        sum(bool(protocols.gold_of(rows[0]["answer"])) for rows in sound.values()),
        "by their own judge;",
        refused,
    )
    assert len(sound) >= 90 and {"chain_sum", "countdown", "gcd", "simple_integration"} <= set(sound)
    assert all(grade("\\boxed{" + protocols.shown(row["answer"]) + "}", row["answer"]).correct for rows in sound.values() for row in rows)
    countdown = sound["countdown"][0]["answer"]
    other = " + ".join(protocols.shown(countdown).split(" + ")[::-1])
    assert grade(f"\\boxed{{{other}}}", countdown).correct or " - " in other
    assert not grade("\\boxed{1 + 1}", countdown).correct
    (tmp_path / "pins.tsv").write_text(
        "name\tkind\tsource\tid\trevision\tfile\tsha256\trows\tlicence\turl\n"
        "puzzles\tdataset\treasoning-gym\tcountdown\t3\tmin_numbers=3 max_numbers=4\t\t40\tApache-2.0\t\n"
        "late\tbenchmark\treasoning-gym\tgcd\texports\t\t\t5\tApache-2.0\t\n"
    )
    done = script("fetch_dataset.py", "--pins", "pins.tsv", "--name", "puzzles", "--out", "puzzles.parquet")
    assert done.returncode == 0, done.stderr
    done = script(
        "clean_problems.py", "--dataset", "puzzles.parquet", "--verifiable", "--out", "problems.parquet", "--quarantine", "q.parquet",
        "--funnel", "funnel.json",
    )  # fmt: skip
    assert done.returncode == 0 and json.loads((tmp_path / "funnel.json").read_text())["steps"][-1]["rows_out"] >= 36, done.stderr
    for number, weights in enumerate(("a" * 64, "b" * 64)):
        (tmp_path / "export.json").write_text(json.dumps({"model_sha256": weights}))
        done = script("fetch_benchmark.py", "--pins", "pins.tsv", "--name", "late", "--exports", "export.json", "--out", f"{number}.jsonl")
        assert done.returncode == 0, done.stderr
    first, second = (list(read_jsonl(tmp_path / f"{number}.jsonl", required=())) for number in (0, 1))
    assert len(first) == 5 and not {row["problem"] for row in first} & {row["problem"] for row in second}
    assert not (tmp_path / "pins.lock" / "late.json").exists(), "another study has other problems"
