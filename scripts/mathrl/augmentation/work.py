"""All requests of an entry: which are needed, in which order they are sent, when the budget ends them.

Problems are worked on one after the other, several at a time: what is proposed for a problem is checked before the next one begins, so
that a budget that ends leaves whole problems and not proposals that nobody could check.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mathrl.augmentation import budget, form, votes
from mathrl.augmentation import requests as ask
from mathrl.augmentation.records import Source
from mathrl.augmentation.store import Store
from mathrl.config.entry import Entry, Server
from mathrl.core.files import UserError
from mathrl.execution import pauses
from mathrl.models import chat_client, spending
from mathrl.models.chat import Answer, Request
from mathrl.models.spending import Cost

HOPELESS = 10  # requests in a row that are given up, and none answered between them: the server is not there
SHOWN_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """An entry with its prompt; `models`: what proposer and solver are known by in a request's key, where that is not their name."""

    entry: Entry
    prompt: str
    models: tuple[str | None, str | None] = (None, None)

    def proposals(self, source: Source) -> list[Request]:
        return ask.proposals(self.entry, self.prompt, source, self.models[0])

    def solutions(self, problem: str) -> list[Request]:
        return ask.solutions(self.entry, problem, self.models[1])

    def checks(self, source: Source, answers: Mapping[str, Answer]) -> list[Request]:
        """The solutions that tell whether what was proposed for a source holds; none for what fails before."""
        found: dict[str, Request] = {}
        for request in self.proposals(source) if self.entry.asks_solver else ():
            try:
                candidate = form.read(answers.get(request.key), self.entry.kind, source["problem"])
            except form.NoForm:
                continue
            if votes.stated_answer(self.entry.kind, candidate, source["answer"]) is None:
                found |= {check.key: check for check in self.solutions(candidate.problem)}
        return list(found.values())

    def bound(self, source: Source, answers: Mapping[str, Answer]) -> Cost:
        """The most that what is still unanswered about a source costs, without retries."""
        proposals = [request for request in self.proposals(source) if request.key not in answers]
        if proposals:
            whole = budget.most(self.entry, proposals[0].prompt_bound)
            return whole.times(len(proposals) / self.entry.per_problem)
        checks = [check for check in self.checks(source, answers) if check.key not in answers]
        return spending.total(spending.bound(check, self.entry.prices) for check in checks)

    def needed(self, sources: Sequence[Source], answers: Mapping[str, Answer]) -> Iterator[Request]:
        """Every request of the entry, in the order of the sources: proposals, then checks. Those of equal texts come once."""
        seen: set[str] = set()
        for source in sources:
            for request in [*self.proposals(source), *self.checks(source, answers)]:
                if request.key not in seen:
                    seen.add(request.key)
                    yield request


@dataclass
class Progress:
    """What became of an entry's requests in this process."""

    sent: int = 0
    retries: int = 0
    given_up: int = 0
    not_asked: int = 0  # source problems that the budget did not reach
    why: dict[str, int] = field(default_factory=dict)


class Work:
    """Sends what is missing to servers. The store must be `opened` and its folder `locked`."""

    def __init__(self, plan: Plan, store: Store, say: Callable[[str], None]) -> None:
        self.plan, self.store, self.say = plan, store, say
        self.progress = Progress()
        self._entry = plan.entry
        self._slots = asyncio.Semaphore(plan.entry.concurrency)
        self._clients: dict[Server, chat_client.Client] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._not_before = 0.0  # a server that asks to wait is left alone by all
        self._in_a_row = 0
        self._shown = time.monotonic()

    async def run(self, sources: Sequence[Source]) -> Progress:
        """Ask about the sources, in order, until all are done or the budget is.

        Raises:
            UserError: the server refuses every request, or is not there. What was answered is kept.
        """
        tasks: dict[asyncio.Task[None], Cost] = {}  # sources at work, with all that each may still cost
        ended = False
        try:
            for source in sources:
                wanted = self.plan.bound(source, self.store.answers)
                while wanted.requests and not ended and not self._fits(spending.total(tasks.values()) + wanted):
                    ended = not tasks
                    await _first(tasks)
                while len(tasks) >= self._entry.concurrency:
                    await _first(tasks)
                if ended and wanted.requests:
                    self.progress.not_asked += 1
                    continue
                tasks[asyncio.create_task(self._source(source))] = wanted
            while tasks:
                await _first(tasks)
        finally:
            await _cancel([*tasks, *self._asking.values()])
            for made in self._clients.values():
                await made.close()
        return self.progress

    def _fits(self, more: Cost) -> bool:
        return spending.fits(self._entry.budget, self.store.spent, more)

    async def _source(self, source: Source) -> None:
        await self._all(self.plan.proposals(source), self._entry.proposer)
        await self._all(self.plan.checks(source, self.store.answers), self._entry.checker)

    async def _all(self, requests: Sequence[Request], server: Server) -> None:
        for request in requests:
            if request.key not in self.store.answers and request.key not in self._asking:
                task = asyncio.create_task(self._ask(request, server))
                self._asking[request.key] = task
                task.add_done_callback(partial(self._answered, request.key))
        waiting = [self._asking[request.key] for request in requests if request.key in self._asking]
        if waiting:
            await asyncio.gather(*waiting)

    def _answered(self, key: str, _: asyncio.Task[None]) -> None:
        self._asking.pop(key, None)

    async def _ask(self, request: Request, server: Server) -> None:
        """Ask until there is an answer, the attempts are used up, or the budget does not have another one."""
        why = ""
        for attempt in range(1, self._entry.attempts + 1):
            async with self._slots:
                while (wait := self._not_before - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                bound = spending.bound(request, self._entry.prices)
                if not self._fits(bound):
                    self._note("the budget has no further attempt")
                    return
                found = await self._attempt(request, server, bound)
            if isinstance(found, Answer):
                self._in_a_row = 0
                return
            why = found.why
            self._note(why.split(":")[0])
            self.progress.retries += 1
            wait = chat_client.backoff(attempt) if found.wait is None else found.wait
            if found.wait is not None:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            elif attempt < self._entry.attempts:
                await asyncio.sleep(wait)
        self.progress.given_up += 1
        self._in_a_row += 1
        if self._in_a_row >= max(HOPELESS, self._entry.concurrency) or not self.store.answers:
            raise UserError(
                f"{server.address}: {self._in_a_row} requests in a row were not answered, the last one: {why}; what was answered is "
                "kept, start again when the server answers"
            )

    async def _attempt(self, request: Request, server: Server, bound: Cost) -> Answer | chat_client.Failure:
        most = max(self._entry.max_tokens, self._entry.holds.max_tokens)
        if server not in self._clients:
            self._clients[server] = chat_client.Client(server, self._entry.timeout, most)
        reservation = self.store.reserve(bound, request.key)
        self.progress.sent += 1
        found = await self._clients[server].attempt(request)
        if isinstance(found, Answer):
            self.store.keep(reservation, spending.paid(found, self._entry.prices), found)
        else:
            self.store.settle(reservation, bound if found.charged else Cost(), kind="failed", why=found.why)
        pauses.progressed()
        if time.monotonic() - self._shown > SHOWN_SECONDS:
            self._shown = time.monotonic()
            self.say(f"{self.progress.sent} requests sent, {self.progress.retries} of them again")
        return found

    def _note(self, why: str) -> None:
        self.progress.why[why] = self.progress.why.get(why, 0) + 1


async def _first(tasks: dict[asyncio.Task[None], Cost]) -> None:
    """Wait for one of the tasks, if there is any, and take out what is done. An error of one is raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED) if tasks else ((), ())
    for task in done:
        del tasks[task]
        task.result()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def with_server(plan: Plan, store: Store, sources: Sequence[Source]) -> Progress:
    """Ask servers for what the store lacks."""
    work = Work(plan, store, lambda text: print(f"augmentation {store.name}: {text}", file=sys.stderr, flush=True))
    return asyncio.run(work.run(sources))
