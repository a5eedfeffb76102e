"""Nothing is asked twice, whenever the client is killed; budgets hold; a shipped cache gives the same bytes without a network."""

import contextlib
import json
import random
import time

import pytest
from mathrl.augmentation import command, prompts, store, work
from mathrl.augmentation.engine import with_engine
from mathrl.core.files import UserError
from mathrl.demo.provider import answer as right_answer
from mathrl.demo.provider import good
from mathrl.models.chat import Answer, Request
from mathrl.models.spending import Cost
from support import providers, variants_pipeline

from .conftest import DEV

FILES = ("checked.parquet", "passed.parquet", "asked.jsonl", "proposals.parquet", "rows.parquet")


def made(data, asking, folder) -> dict[str, bytes]:
    """The bytes of everything that follows from the answers."""
    variants_pipeline.judge(data, asking, folder, DEV, {})
    return {name: (folder / name).read_bytes() for name in (*FILES, "answers.jsonl.zst")}


@pytest.mark.parametrize("wanted_kills", [5, pytest.param(20, marks=pytest.mark.full)])
def test_kills_repeat_no_answered_request_and_change_no_byte(data, entry, tmp_path, wanted_kills):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    rng = random.Random(3)
    with providers.Server(providers.slow(good, 0.02)) as server, variants_pipeline.Forks() as forks:
        asking = entry(server.address, problems={"count": 3 * wanted_kills}, concurrency=6)
        for folder in (whole, killed):
            folder.mkdir()
            variants_pipeline.choose(data, asking, folder, DEV)
        variants_pipeline.request(asking, whole)
        wanted = made(data, asking, whole)
        total = len(server.asked)
        server.asked.clear()
        kills, again = 0, 0
        answered: set[str] = set()
        while kills < wanted_kills:
            asked_before, begun = len(server.asked), time.monotonic()
            process = forks.start(asking, killed)
            while process.is_running() and len(server.asked) == asked_before and time.monotonic() - begun < 60:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.12))
            assert process.is_running(), "it was done before it could be killed: more problems, please"
            process.kill()
            process.wait(20)
            kills += 1
            time.sleep(0.05)  # the server ends what it was at
            known = variants_pipeline.answered(killed)
            assert answered <= known
            answered = known
        asked_before = server.times_asked()
        recorded = len(answered)
        variants_pipeline.request(asking, killed)
        assert made(data, asking, killed) == wanted
        again = sum(server.times_asked().values()) - total
        assert recorded, "kills met a client at work"
        assert again <= wanted_kills * asking.concurrency, "only what was in flight at a kill is asked again"
        assert len(server.asked) - sum(asked_before.values()) == total - recorded, "what was answered is never asked again"
        kept = store.Store(killed / "store", "retold")
        assert kept.in_doubt == kept.spent.requests - total and kept.spent.requests >= len(server.asked)


def test_a_shipped_cache_gives_the_same_bytes_without_a_network(data, entry, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with providers.Server(good) as server:
        asking = entry(server.address)
        for folder in (first, second):
            folder.mkdir()
            variants_pipeline.choose(data, asking, folder, DEV)
        variants_pipeline.request(asking, first)
        wanted = made(data, asking, first)
        asked = len(server.asked)
        assert variants_pipeline.request(asking, first)["new_answers"] == 0 and len(server.asked) == asked
    replay = entry(None, cache=str(first / "answers.jsonl.zst"))
    summary = variants_pipeline.request(replay, second)
    assert summary["spent"] == {"requests": 0, "tokens": 0, "money": 0}
    assert made(data, replay, second) == wanted
    other = entry(None, cache=str(first / "answers.jsonl.zst"), model="another")
    with pytest.raises(UserError, match="answers none of the 12 requests"):
        variants_pipeline.request(other, second)


def test_a_damaged_cache_is_refused(tmp_path):
    answer = Answer("a" * 64, "text", "stop", 1, 1)
    store.write_answers(tmp_path / "a.jsonl", [answer])
    assert list(store.read_answers(tmp_path / "a.jsonl")) == [answer]
    (tmp_path / "b.jsonl").write_text((tmp_path / "a.jsonl").read_text().replace("text", "test", 2).replace("test", "text", 1))
    with pytest.raises(UserError, match="line 1"):
        list(store.read_answers(tmp_path / "b.jsonl"))


@pytest.mark.parametrize(
    "wrong", [{"text": 5}, {"text": None}, {"text": "half a \ud800"}, {"prompt_tokens": "many"}, {"completion_tokens": -1}, {"key": ["a"]}]
)
def test_a_cache_of_a_stranger_is_read_as_one(tmp_path, wrong):
    row = Answer("a" * 64, "text", "stop", 1, 1).as_dict() | wrong
    (tmp_path / "a.jsonl").write_text(json.dumps(row | {"sha256": store._hash(row)}))
    with pytest.raises(UserError, match=r"a\.jsonl: line 1 (holds no answer|cannot be read \(half a character)"):
        list(store.read_answers(tmp_path / "a.jsonl"))


def test_a_line_that_a_kill_cut_off_is_no_line(tmp_path, capsys):
    request = Request("m", "x", 0.0, 5, 0)
    with contextlib.closing(store.Store(tmp_path, "e")) as kept:
        kept.keep(kept.reserve(Cost(1, 20, 0.5), request.key), Cost(1, 7, 0.1), Answer(request.key, "a", "stop", 3, 4))
        kept.reserve(Cost(1, 20, 0.5), Request("m", "y", 0.0, 5, 0).key)
    (path,) = tmp_path.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    found = store.Store(tmp_path, "e")
    assert (found.spent.requests, found.spent.tokens, found.in_doubt) == (2, 27, 1) and found.spent.money == pytest.approx(0.6)
    assert store.Store(tmp_path, "other").spent == Cost() and request.key in store.Store(tmp_path, "other").answers
    path.write_bytes(b"".join(lines[:1]) + lines[1][:-9])
    assert store.Store(tmp_path, "e").answers == {} and store.Store(tmp_path, "e").in_doubt == 1
    assert "damaged" not in capsys.readouterr().err
    path.write_bytes(lines[0] + lines[1].replace(b'"a"', b'"b"') + lines[2])
    assert store.Store(tmp_path, "e").answers == {} and "line 2 is damaged" in capsys.readouterr().err


class Batches:
    """In the place of the workflow's engine: answers a batch as the scripted provider would."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def answers(self, requests) -> list[Answer]:
        self.sizes.append(len(requests))
        return [Answer(one.key, right_answer(one.text), "stop", 20, 30) for one in requests]


def test_an_engine_answers_in_two_batches_and_once(data, entry, tmp_path):
    asking = entry("engine")
    rows = variants_pipeline.choose(data, asking, tmp_path, DEV)
    plan = work.Plan(asking, prompts.template("variants", None), ("a" * 64, "a" * 64))
    engine = Batches()
    for expected in ([12, 48], [12, 48]):
        with store.locked(tmp_path / "store"), contextlib.closing(store.Store(tmp_path / "store", "retold")) as kept:
            progress = with_engine(plan, kept, rows, engine)
            assert engine.sizes == expected and progress.not_asked == 0
            assert len(list(plan.needed(rows, kept.answers))) == 60 == len(kept.answers) and kept.spent.tokens == 60 * 50
    small = work.Plan(entry("engine", budget={"requests": 17}), plan.prompt, plan.models)
    with contextlib.closing(store.Store(tmp_path / "small", "retold")) as kept:
        assert with_engine(small, kept, rows, engine).not_asked == 12 - 17 // 5 and kept.spent.requests == 15


def test_an_engines_budget_holds_where_proposals_are_there_and_their_checks_are_not(data, entry, tmp_path):
    asking = entry("engine", budget={"requests": 12 + 30})
    rows = variants_pipeline.choose(data, asking, tmp_path, DEV)
    plan = work.Plan(asking, prompts.template("variants", None), ("a" * 64, "a" * 64))
    with contextlib.closing(store.Store(tmp_path / "store", "retold")) as kept:
        for request in [request for row in rows for request in plan.proposals(row)]:
            kept.keep(kept.reserve(Cost(1), request.key), Cost(1), Answer(request.key, right_answer(request.text), "stop", 20, 30))
        progress = with_engine(plan, kept, rows, Batches())
        assert kept.spent.requests == 12 + 28 and progress.not_asked == 12 - 28 // 4, "the checks of seven problems, all four of each"


PRICES = {"input": 1.0, "output": 2.0}


@pytest.mark.parametrize("budget", [{"requests": 23}, {"tokens": 9000}, {"money": 0.012}], ids=["requests", "tokens", "money"])
def test_a_budget_is_never_exceeded_and_says_what_is_left(data, entry, tmp_path, budget):
    with providers.Server(good) as server:
        asking = entry(server.address, budget=budget, prices=PRICES, problems={"count": 60}, max_tokens=60, holds={"max_tokens": 80})
        variants_pipeline.choose(data, asking, tmp_path, DEV)
        summary = variants_pipeline.request(asking, tmp_path)
        sent = len(server.asked)
        again = variants_pipeline.request(asking, tmp_path)
        assert len(server.asked) == sent and again["not_asked"] == summary["not_asked"] > 0
    ((key, limit),) = budget.items()
    assert 0 < summary["spent"][key] <= limit and summary["spent"]["requests"] == sent
    told = command.told("retold", asking, summary)
    assert f"of {limit:,} {key}" in told.replace("0.0120", "0.012") and "the budget ended before" in told
    # What was proposed was checked too: no budget goes into proposals alone.
    funnel = variants_pipeline.judge(data, asking, tmp_path, DEV, {})
    assert not any("0 of 4 solutions" in str(example["why"]) for door in funnel["doors"] for example in door["examples"])
