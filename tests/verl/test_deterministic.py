"""Names, order and rounds of a deterministic training; verl's own buffer, without its queue."""

import random
from types import SimpleNamespace

import pytest


@pytest.fixture
def deterministic():
    from mathrl.verl import deterministic

    return deterministic


def test_names_sort_as_they_were_dealt_and_begin_anew_with_a_step(deterministic):
    names = deterministic.Names()
    names.begin("train", 9)
    dealt = [names.uuid4() for _ in range(12)]
    dispatches = [names.dispatch(), names.dispatch()]
    names.begin("train", 10)
    later = [names.uuid4() for _ in range(12)]
    assert sorted(random.sample(dealt + later, 24)) == dealt + later
    assert not any("_" in name for name in dealt + later)  # verl divides names there
    names.begin("train", 9)
    assert [names.uuid4() for _ in range(12)] == dealt
    assert [names.dispatch(), names.dispatch()] == dispatches
    assert len(set(dispatches)) == 2


@pytest.fixture
def buffer(deterministic, monkeypatch):
    """Our buffer over a queue that hands out one list of rows after the other."""
    from verl.trainer.ppo.v1 import replay_buffer

    states = []
    queue = SimpleNamespace(kv_list=lambda: states.pop(0) if len(states) > 1 else states[0], kv_clear=lambda **_: None)
    monkeypatch.setattr(replay_buffer, "tq", queue)
    made = deterministic.Buffer("sync", {}, 8, "drop", {}, poll_interval=0.0)
    made.states = states
    return made


def rows(*prompts, status="finished", n=3):
    found = {name: {"is_prompt": True, "status": status, "global_steps": 1} for name in prompts}
    return found | {f"{name}_{sample}_0": {"status": "success"} for name in prompts for sample in range(n)}


def test_rows_are_handed_out_by_their_names_and_no_round_is_left_early(buffer):
    names = [f"train-00000001-{number:08d}" for number in range(12)]
    for unfinished in ("pending", "running"):
        buffer.states.append({"train": rows(*names[:8]) | rows(*names[8:], status=unfinished, n=0)})
    mixed = list(rows(*names, n=11).items())
    random.shuffle(mixed)
    buffer.states.append({"train": dict(mixed)})
    batch, _ = buffer.sample(global_steps=1, partition_id="train", batch_size=8)  # eight were finished from the first look on
    assert batch.keys == [f"{name}_{sample}_0" for name in names[:8] for sample in range(11)]
    assert len(buffer.states) == 1, "all looks were taken"


def test_a_prompt_without_an_answer_ends_the_training(buffer):
    names = [f"train-00000001-{number:08d}" for number in range(8)]
    buffer.states.append({"train": rows(*names[:7]) | rows(names[7], status="failure", n=0)})
    with pytest.raises(RuntimeError, match=r"1 prompts got no answer, train-00000001-00000007"):
        buffer.sample(global_steps=1, partition_id="train", batch_size=8)
