"""The engine gets a dispatch whole and in its order, however its requests arrive."""

import asyncio
import random

import pytest
from mathrl.verl.admission import Queue, seed_of


class Engine:
    """Takes requests; what it had when it was let go on is `batches`."""

    def __init__(self):
        self.held, self.taken, self.batches, self.told = False, [], [], []

    async def hold(self):
        await asyncio.sleep(0.01)
        self.held = True
        self.told.append("hold")

    async def release(self):
        self.held = False
        self.told.append("release")
        self.batches.append(self.taken)
        self.taken = []

    async def add(self, request):
        assert self.held, "the engine works before the dispatch is whole"
        await asyncio.sleep(random.random() / 1000)
        self.taken.append(request)
        return request


async def send(queue, engine, name, size, order, late=()):
    async def request(place):
        await asyncio.sleep(0.02 if place in late else random.random() / 1000)
        made = await queue.enter(name, place, lambda: engine.add((name, place)))
        await queue.leave(place, size)
        return made

    return await asyncio.gather(*(request(place) for place in order), return_exceptions=True)


@pytest.mark.parametrize("seed", range(5))
def test_a_dispatch_is_admitted_in_order_and_whole(seed):
    random.seed(seed)
    engine = Engine()
    queue = Queue(engine.hold, engine.release)

    async def two_dispatches():
        for name, size in (("a", 40), ("b", 1), ("c", 17)):
            order = random.sample(range(size), size)
            assert await send(queue, engine, name, size, order, late=(0, size // 2)) == [(name, place) for place in order]

    asyncio.run(two_dispatches())
    assert engine.batches == [[(name, place) for place in range(size)] for name, size in (("a", 40), ("b", 1), ("c", 17))]
    assert engine.told == ["hold", "release"] * 3


def test_a_sample_that_does_not_come_ends_the_wait():
    engine = Engine()
    queue = Queue(engine.hold, engine.release, late=0.1)
    results = asyncio.run(send(queue, engine, "a", 3, [2, 0]))
    assert results[1] == ("a", 0)
    assert "sample 1 of dispatch a did not reach the engine" in str(results[0])
    assert engine.batches == []


def test_a_sample_that_comes_twice_is_refused():
    engine = Engine()
    queue = Queue(engine.hold, engine.release)
    results = asyncio.run(send(queue, engine, "a", 2, [0, 0, 1], late=(1,)))
    assert sum("twice" in str(result) for result in results) == 1
    assert engine.batches == [[("a", 0), ("a", 1)]]


def test_seeds_are_of_the_run_the_dispatch_and_the_place():
    places = [(seed, name, place) for seed in (1, 2) for name in ("train-00000001-0", "train-00000002-0") for place in range(100)]
    assert len({seed_of(*place) for place in places}) == len(places)
    assert all(0 <= seed_of(*place) < 2**63 for place in places)
    assert seed_of(1, "train-00000001-0", 0) == seed_of(1, "train-00000001-0", 0)
