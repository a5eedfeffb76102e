"""The engine gets a dispatch whole and in its order, however its requests arrive."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from mathrl.verl import admission
from mathrl.verl.admission import Queue, seed_of


class Engine:
    """Takes requests; what it had when it was let go on is `batches`."""

    def __init__(self):
        self.held, self.taken, self.batches, self.told = False, [], [], []
        self.refused = set()

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
        if request in self.refused:
            raise ValueError("too long")
        await asyncio.sleep(random.random() / 1000)
        self.taken.append(request)
        return request


async def send(queue, engine, name, size, order, late=()):
    async def request(place):
        await asyncio.sleep(0.02 if place in late else random.random() / 1000)
        return await queue.hand_over(name, place, size, lambda: engine.add((name, place)))

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
    assert engine.batches == [[("a", 0)]]  # the engine works on: else the trainer would wait for that one for ever
    assert engine.told == ["hold", "release"]


def test_a_sample_that_comes_twice_is_refused():
    engine = Engine()
    queue = Queue(engine.hold, engine.release)
    results = asyncio.run(send(queue, engine, "a", 2, [0, 0, 1], late=(1,)))
    assert sum("twice" in str(result) for result in results) == 1
    assert engine.batches == [[("a", 0), ("a", 1)]]


def test_a_sample_that_the_engine_refuses_keeps_nobody_waiting():
    engine = Engine()
    engine.refused = {("a", 0), ("a", 2), ("a", 3)}
    queue = Queue(engine.hold, engine.release)
    results = asyncio.run(send(queue, engine, "a", 4, [3, 2, 1, 0]))
    assert [type(result) for result in results] == [ValueError, ValueError, tuple, ValueError]
    assert engine.batches == [[("a", 1)]]


class Server:
    """As verl's: a request that is too long is refused before it reaches the engine."""

    def __init__(self, engine):
        self.engine = engine

    async def generate(self, prompt_ids, sampling_params, request_id, priority=0):
        if len(prompt_ids) > 3:
            raise ValueError("too long")
        await self.engine.add_request(request_id, prompt_ids, sampling_params, priority=priority)
        return request_id, sampling_params


@pytest.mark.parametrize("turns", [True, False])
def test_verls_server_hands_over_by_turns(turns):
    engine = Engine()
    admitted = []

    async def add_request(request_id, prompt, params, priority):
        assert engine.held == turns
        admitted.append(request_id)

    async def pause(mode, clear_cache):
        assert (mode, clear_cache) == ("keep", False)  # what was there is kept, and goes on
        await engine.hold()

    engine.add_request, engine.pause_generation, engine.resume_generation = add_request, pause, engine.release
    module = SimpleNamespace(vLLMHttpServer=type("Sub", (Server,), {"generate": Server.generate}))
    admission.keep_order(module)
    server = module.vLLMHttpServer(engine)

    async def all_requests():
        made = []
        for place in (2, 0, 3, 1):
            params = {"seed": place} | ({admission.TURN: ["a", place, 4]} if turns else {})
            made.append(server.generate(prompt_ids=[0] * (5 if place == 1 else 2), sampling_params=params, request_id=f"r{place}"))
        return await asyncio.gather(*made, return_exceptions=True)

    results = asyncio.run(all_requests())
    assert results[:3] == [("r2", {"seed": 2}), ("r0", {"seed": 0}), ("r3", {"seed": 3})]
    assert isinstance(results[3], ValueError)
    assert admitted == (["r0", "r2", "r3"] if turns else ["r2", "r0", "r3"])
    assert engine.told == (["hold", "release"] if turns else [])


def test_seeds_are_of_the_run_the_dispatch_and_the_place():
    places = [(seed, name, place) for seed in (1, 2) for name in ("train-00000001-0", "train-00000002-0") for place in range(100)]
    assert len({seed_of(*place) for place in places}) == len(places)
    assert all(0 <= seed_of(*place) < 2**63 for place in places)
    assert seed_of(1, "train-00000001-0", 0) == seed_of(1, "train-00000001-0", 0)
