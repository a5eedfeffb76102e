"""Each sample has a seed of its own, and the engine gets the samples of a dispatch in one order before it computes the first token.

verl sends all prompts of a step at once, and each finds its way to the engine by itself: in which order they arrive, and how many the
engine's first batch holds, is chance. A sample's own seed keeps what is drawn for it; but vLLM's kernels round otherwise in another
batch, and a last digit is enough for another token some steps later. So a sample carries its turn here, from the trainer
(`mathrl.verl.deterministic`) over verl's agent loop to verl's server of vLLM, which holds the engine until the last one is there.

Where a sample carries no turn, nothing is changed.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from verl.experimental.agent_loop.agent_loop import AgentLoopOutput, AgentLoopWorker
    from verl.workers.rollout.replica import TokenOutput
    from verl.workers.rollout.vllm_rollout.vllm_async_server import vLLMHttpServer
    from vllm.v1.engine.output_processor import RequestOutputCollector

TURN: Final = "turn"  # key of a prompt's turn, JSON, and of a sample's among its sampling parameters
LATE_SECONDS = 600.0
"""How long the engine is held for a sample that does not come; sending some thousands takes seconds."""

Turn = tuple[str, int, int]  # name of the dispatch, place in it, samples of the dispatch; 0: hold nothing
Answer = TypeVar("Answer")


class Sampling(TypedDict, total=False):
    """How a sample is drawn, as verl's agent loop tells its server, as far as it is read here."""

    turn: Turn
    temperature: float
    seed: int


def seed_of(run_seed: int, dispatch: str, place: int) -> int:
    """A sample's own seed, 63 bits."""
    return int.from_bytes(hashlib.sha256(json.dumps([run_seed, dispatch, place]).encode()).digest()[:8], "big") >> 1


def give_seeds(module: ModuleType) -> None:
    """Let verl's agent loop hand the seed and the turn of a sample to the engine."""
    usual = module.AgentLoopWorker._run_agent_loop

    @functools.wraps(usual)
    async def _run_agent_loop(
        self: AgentLoopWorker, sampling_params: Sampling, trajectory: Mapping[str, object], **more: Any
    ) -> AgentLoopOutput:
        turn = more.pop(TURN, None)
        if turn is not None:
            name, first, size = json.loads(turn)
            place = first + more["session_id"]
            sampling_params = sampling_params | ({TURN: (name, place, size)} if size else {})
            if sampling_params["temperature"] > 0:
                sampling_params["seed"] = seed_of(self.config.actor_rollout_ref.rollout.seed, name, place)
        return await usual(self, sampling_params, trajectory, **more)

    module.AgentLoopWorker._run_agent_loop = _run_agent_loop


@dataclass
class Queue:
    """Hands samples to an engine in the order of their turns; the engine rests until the last of a dispatch is there.

    `hold` and `release` stop the engine's work and let it go on; it takes requests meanwhile.
    """

    hold: Callable[[], Awaitable[object]]
    release: Callable[[], Awaitable[object]]
    late: float = LATE_SECONDS
    _name: str | None = None
    _held: asyncio.Future[object] | None = None
    _next: int = 0
    _open: dict[int, asyncio.Event] = field(default_factory=dict)

    async def hand_over(self, name: str, place: int, size: int, add: Callable[[], Awaitable[Answer]]) -> Answer:
        """Wait for the turn, `add` the request to the engine, and let the next one in; after the last of a dispatch the engine works.

        Raises:
            RuntimeError: an earlier one did not come, or this one came twice. The engine then works on what it has, so that the trainer,
                which waits for all samples, sees what was lost and ends (`mathrl.verl.deterministic`).
        """
        if name != self._name or self._held is None:
            self._name, self._next, self._open = name, 0, {}
            self._held = asyncio.ensure_future(self.hold())
        gate = self._open.setdefault(place, asyncio.Event())
        if place == 0:
            gate.set()
        await asyncio.shield(self._held)
        try:
            await asyncio.wait_for(gate.wait(), self.late)
        except TimeoutError:
            await self.release()
            raise RuntimeError(f"sample {self._next} of dispatch {name} did not reach the engine: deterministic training ends") from None
        if place != self._next:
            raise RuntimeError(f"sample {place} of dispatch {name} came to the engine twice: deterministic training ends")
        self._next = place + 1
        try:
            return await add()
        finally:  # one that the engine refuses keeps nobody waiting
            if self._next == size:
                await self.release()
            else:
                self._open.setdefault(self._next, asyncio.Event()).set()


def keep_order(server: ModuleType) -> None:
    """Let verl's server of vLLM hand over its requests by their turns."""
    usual = server.vLLMHttpServer.generate

    @functools.wraps(usual)
    async def generate(
        self: vLLMHttpServer, prompt_ids: list[int], sampling_params: Sampling, request_id: str, **more: object
    ) -> TokenOutput:
        turn = sampling_params.pop(TURN, None)
        given = {"prompt_ids": prompt_ids, "sampling_params": sampling_params, "request_id": request_id, **more}
        if turn is None:
            return await usual(self, **given)
        turns, queue = _order(self)
        turns[request_id] = turn
        try:
            return await usual(self, **given)
        finally:
            if turns.pop(request_id, None):  # verl refused it before the engine got it
                await queue.hand_over(*turn, _nothing)

    server.vLLMHttpServer.generate = generate


async def _nothing() -> None:
    return None


def _order(server: vLLMHttpServer) -> tuple[dict[str, Turn], Queue]:
    """Turns of the requests on their way to the server's engine, and the queue before it, which it gets the first time."""
    if not hasattr(server, "_mathrl_order"):
        engine = server.engine
        usual = engine.add_request
        turns: dict[str, Turn] = {}
        queue = Queue(functools.partial(engine.pause_generation, mode="keep", clear_cache=False), engine.resume_generation)

        @functools.wraps(usual)
        async def add_request(request_id: str, *arguments: object, **more: object) -> RequestOutputCollector:
            turn = turns.pop(request_id, None)
            if turn is None:
                return await usual(request_id, *arguments, **more)
            return await queue.hand_over(*turn, lambda: usual(request_id, *arguments, **more))

        engine.add_request = add_request
        server._mathrl_order = turns, queue
    return server._mathrl_order


def install() -> None:
    after_import("verl.experimental.agent_loop.agent_loop", give_seeds)
    after_import("verl.workers.rollout.vllm_rollout.vllm_async_server", keep_order)
