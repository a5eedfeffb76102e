"""The process reward: what each mode does to a reward, and what a verifier that misbehaves does to a training."""

import asyncio
import dataclasses
import importlib.util
import json
import math
import sys
import threading
import time
from pathlib import Path

import pytest
from mathrl.config.process import Process
from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError
from mathrl.rewards import failure
from mathrl.rewards.process import verdict, with_process
from mathrl.verifiers import server_start
from support.judge_server import JudgeServer, drip, reply, right, send

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TERMS = json.dumps({"format": 0.1, "correct": 0.9})
RIGHT, WRONG = {"score": 1.0, "acc": 1.0}, {"score": 0.1, "acc": 0.0}

# mode, weight, outcome, step scores → reward; gate never gives, blend does
TABLE = [
    ("gate", 0.5, RIGHT, [1.0, 1.0], 1.0, "right, nothing flagged"),
    ("gate", 0.5, RIGHT, [1.0, 0.4], 0.5, "right, a flagged step"),
    ("gate", 0.9, RIGHT, [0.0, 0.0], 0.1, "right, all flagged: as much as wrong, not less"),
    ("gate", 0.5, RIGHT, [0.5], 1.0, "a score at the threshold is not flagged"),
    ("gate", 0.5, RIGHT, [], 1.0, "no step to flag"),
    ("gate", 0.5, WRONG, [1.0, 1.0], 0.1, "wrong, pleasing the verifier gains nothing"),
    ("gate", 0.5, WRONG, [0.0, 0.0], 0.1, "wrong, nothing more to lose"),
    ("blend", 0.2, RIGHT, [1.0, 0.5], 0.9, "the finalist's 2:8"),
    ("blend", 0.2, WRONG, [1.0, 1.0], 0.28, "wrong, pleasing the verifier pays"),
    ("blend", 0.2, WRONG, [], 0.08, "no steps, nothing to trust"),
    ("blend", 1.0, RIGHT, [0.25], 0.25, "the verifier alone"),
]


@pytest.mark.parametrize(("mode", "weight", "outcome", "scores", "expected"), [row[:5] for row in TABLE], ids=[row[5] for row in TABLE])
def test_what_a_mode_makes_of_a_reward(mode, weight, outcome, scores, expected):
    one = Settings("v", "arithmetic")
    said = verdict([scores], one, [one])
    found = with_process(outcome, said, Process(verifiers=("v",), mode=mode, weight=weight))
    assert found["score"] == pytest.approx(expected)
    assert (found["outcome"], found["acc"]) == (outcome["score"], outcome["acc"]), "what was graded stays visible"
    assert found["process_steps"] == len(scores)
    assert mode == "blend" or found["score"] <= outcome["score"]
    assert all(math.isfinite(value) for value in found.values())


# mode and its settings, outcome, step scores → reward, besides; filter changes none, min pays by the worst step
OTHER_MODES = [
    ({"mode": "filter"}, RIGHT, [1.0, 0.0], 1.0, {"process_mean": 0.5}, "a filter takes nothing"),
    ({"mode": "filter"}, WRONG, [], 0.1, {"process_mean": 0.0}, "a filter, no steps"),
    ({"mode": "min"}, RIGHT, [1.0, 0.0], 0.0, {"process_worst": 0.0}, "half of the outcome and of −1"),
    ({"mode": "min"}, RIGHT, [1.0, 1.0], 1.0, {"process_worst": 1.0}, "sound steps"),
    ({"mode": "min", "weight": 1.0}, WRONG, [0.75], 0.5, {"process_worst": 0.75}, "the verifier alone"),
    ({"mode": "min", "temperature": 1000.0}, RIGHT, [1.0, 0.0, 0.5], 0.5, {}, "no weight on the worst: half of the outcome, of 0"),
    ({"mode": "min"}, WRONG, [], -0.45, {"process_worst": 0.0}, "to write nothing does not pay"),
]


@pytest.mark.parametrize(("process", "outcome", "scores", "reward", "told"), [r[:5] for r in OTHER_MODES], ids=[r[5] for r in OTHER_MODES])
def test_what_filter_and_min_make_of_a_reward(process, outcome, scores, reward, told):
    one = Settings("v", "arithmetic")
    steps = [f"step {number}" for number, _ in enumerate(scores)]
    found = with_process(outcome, verdict([scores], one, [one]), Process(verifiers=("v",), **process), steps)
    assert found["score"] == pytest.approx(reward, abs=1e-3)
    assert found.items() >= told.items() and found["outcome"] == outcome["score"]
    if process["mode"] == "min":
        credit = json.loads(found["process_credit"])
        assert [end for end, _ in credit] == [5 * (number + 1) for number, _ in enumerate(scores)] or [0]
        kept = (1 - process.get("weight", 0.5)) * outcome["score"]
        assert kept + sum(earned for _, earned in credit) == pytest.approx(found["score"]), "what the steps earn is in the reward"


def test_several_verifiers_are_one():
    members = [Settings("a", "arithmetic"), Settings("b", "arithmetic", threshold=0.9), Settings("c", "arithmetic")]
    scores = [[1.0, 1.0], [0.8, 1.0], [1.0, 0.0]]
    expected = {"min": (0.0, 0.5), "mean": (2 / 3, 0.0), "vote": (2 / 3, 0.0), "lower_bound": (0.1953, 0.5)}
    for how, (score, flagged) in expected.items():
        one = Settings("process", "ensemble", own={"of": ("a", "b", "c"), "combine": how})
        said = verdict(scores, one, members)
        assert (said.score, said.flagged, len(said.of_steps)) == (pytest.approx(score, abs=1e-4), flagged, 2), how
        assert said.disagreement == pytest.approx(2 / 3), "of three pairs two disagree about each step"


class Run:
    """Rewards as verl's worker asks for them: the file by its path, the coroutine in one event loop."""

    def __init__(self, place):
        spec = importlib.util.spec_from_file_location("custom_module_by_verl", SCRIPTS / "process_reward.py")
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.place, self.failure = place, place / failure.NAME

    def said(self, named, mode="gate", weight=0.5, workers=1, timeout=120.0, retries=0):
        section = {"named": named, "timeout": timeout, "retries": retries, "batch_size": 8}
        process = {"verifiers": list(named), "mode": mode, "weight": weight}
        return json.dumps({"process": process, "verifiers": section, "workers": workers})

    def ask(self, said, *responses, answer="2", beside=None, **places):
        """What each response gets, asked for at once; `beside` runs in the same loop; `places` say where more is."""

        async def all_of_them():
            own = {"store": str(self.place / "store"), "failure": str(self.failure), "terms": TERMS, **places}
            asked = [
                self.module.compute_score(
                    data_source="d",
                    solution_str=text,
                    ground_truth=answer,
                    extra_info={"original_problem": "What?"},
                    process=said,
                    **own,
                )
                for text in responses
            ]
            more = [beside()] if beside else []
            return await asyncio.gather(*asked, *more)

        return asyncio.run(all_of_them())


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_the_coroutine_grades_and_scores(run):
    assert asyncio.iscoroutinefunction(run.module.compute_score)
    sound, flawed, wrong = run.ask(
        run.said({"eq": {"kind": "arithmetic"}}), "1 + 1 = 2\nSo \\boxed{2}.", "1 + 1 = 3\nSo \\boxed{2}.", "1 + 1 = 3\nSo \\boxed{3}."
    )
    assert [one["score"] for one in (sound, flawed, wrong)] == pytest.approx([1.0, 0.5, 0.1])
    assert (flawed["process_flagged"], flawed["process_score"], flawed["process_acc"]) == (0.5, 0.0, 0.5)
    assert flawed["status"] == "equal" and flawed["term_correct"] == 1.0 and not run.failure.exists()
    assert not (run.place / "store").exists(), "arithmetic is cheaper than its notes"


MODEL = {"kind": "prm", "model": "nowhere"}  # where it is served it is not looked for


def test_a_model_is_asked_where_it_is_served_and_its_death_is_a_line_and_no_reward(run):
    """Arithmetic stands for the model: it starts at once."""
    plain = Verifiers.model_validate({"named": {"v": {"kind": "arithmetic"}}})
    setting = server_start.Setting(plain, "cpu", 0.0, {}, run.place, {})
    said = run.said({"v": MODEL})
    with server_start.started(("v",), setting, "test") as places:
        served = json.dumps({name: dataclasses.asdict(place) for name, place in places.items()})
        found = run.ask(said, "1 + 1 = 2\nSo \\boxed{2}.", "1 + 1 = 3\nSo \\boxed{2}.", served=served)
    assert [one["score"] for one in found] == [1.0, 0.5] and not run.failure.exists()
    with pytest.raises(UserError, match=r"verifier v: failed 1 times on 1 response\(s\), at last by its server is gone") as error:
        run.ask(said, "2 + 2 = 5\nSo \\boxed{2}.", served=served)
    noted = failure.noted(run.failure)
    assert noted and str(error.value).startswith(noted) and "\n" not in noted
    run.failure.unlink()
    run.module._scorer.cache_clear()
    with pytest.raises(UserError, match="verifier v: is a model, and nobody serves it"):
        run.ask(said, "1 + 1 = 2\nSo \\boxed{2}.")


JUDGE = {"kind": "judge", "model": "m", "parallel": 4}


def test_a_judge_is_asked_once_for_what_several_samples_say(run):
    with JudgeServer(right) as server:
        said = run.said({"judge": JUDGE | {"url": server.url}})
        text = "1 + 1 = 3\nSo \\boxed{2}."
        assert [one["score"] for one in run.ask(said, text, text, text)] == [0.5] * 3
        run.module._scorer.cache_clear()  # another start of the training
        assert run.ask(said, text)[0]["score"] == 0.5 and len(server.seen) == 1


def test_a_slow_judge_does_not_hold_the_loop(run):
    """The server answers when all four requests are there and the loop, which is not held by them, says so."""
    answer = threading.Event()

    def slow(handler, prompt, number):
        if answer.wait(100):
            right(handler, prompt, number)

    async def let_it_answer():
        while len(server.seen) < 4:
            await asyncio.sleep(0.01)
        answer.set()

    with JudgeServer(slow) as server:
        said = run.said({"judge": JUDGE | {"url": server.url}})
        found = run.ask(said, *(f"1 + {number} = {1 + number}\nSo \\boxed{{2}}." for number in range(4)), beside=let_it_answer)
    assert [one["score"] for one in found[:4]] == [1.0] * 4 and len(server.seen) == 4


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (
            lambda handler, *_: time.sleep(30),
            r"verifier judge: failed 2 times on 1 response\(s\), at last by (TimeoutError: )?no (whole )?answer within",
        ),
        (drip, r"verifier judge: failed 2 times on 1 response\(s\), at last by (TimeoutError: )?no (whole )?answer within"),
        (lambda handler, *_: reply(handler, "no box"), "verifier judge: failed 2 times .* names no step of 2"),
        (lambda handler, *_: send(handler, 200, b"<html>"), "verifier judge: failed 2 times .* no chat completion"),
        (lambda handler, *_: send(handler, 401, b"{}"), "verifier judge: .* answered 401"),
        (None, "verifier judge: failed 2 times .* ConnectError"),
    ],
    ids=["silence", "a byte at a time", "garbage", "no JSON", "no key", "gone"],
)
def test_a_judge_that_fails_for_good_is_a_line_and_no_reward(run, behaviour, why, monkeypatch):
    monkeypatch.setattr("mathrl.verifiers.kept.LONGEST_PAUSE", 0.01)
    with JudgeServer(behaviour or right) as server:
        said = run.said({"judge": JUDGE | {"url": server.url}}, timeout=0.5, retries=1)
        if behaviour is None:
            server.__exit__()
        with pytest.raises(UserError, match=why) as error:
            run.ask(said, "1 + 1 = 2\n\\boxed{2}")
        noted = failure.noted(run.failure)
        assert noted and str(error.value).startswith(noted) and "\n" not in noted
        asked = len(server.seen)
        with pytest.raises(UserError, match=why):
            run.ask(said, "2 + 2 = 4\n\\boxed{2}")
        assert len(server.seen) == asked, "nothing more is asked of anybody once the training is about to end"


def test_a_function_of_the_user_s_that_breaks_ends_the_training_too(run, tmp_path, monkeypatch):
    (tmp_path / "my_broken.py").write_text("def scores(problems, responses):\n    return [[float('nan')] for _ in responses]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="verifier mine: failed 1 times"):
        run.ask(run.said({"mine": {"kind": "my_broken:scores"}}), "\\boxed{2}")
    assert "the score nan" in failure.noted(run.failure)
    sys.modules.pop("my_broken", None)


def test_the_first_failure_stays(tmp_path):
    path = tmp_path / failure.NAME
    assert failure.noted(path) is None
    failure.note(path, "first\nline")
    failure.note(path, "second")
    assert failure.noted(path) == "first line"
    failure.clear(path)
    assert failure.noted(path) is None
