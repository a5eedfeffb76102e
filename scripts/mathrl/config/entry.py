"""What an entry of `augmentation` is: who answers, what is asked, what it may cost, and when an answer holds."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from mathrl.config.messages import parse
from mathrl.config.reading import Raw
from mathrl.config.section import Count, NotNegative, Number, Positive, Section, Several, Share, WholeNumber, required
from mathrl.config.section import key as setting  # some of these sections have a field `key`

ENGINE = "engine"  # as an address: vLLM inside of the job, without a server
Text = Annotated[str, StringConstraints(min_length=1)]
Temperature = Annotated[Number, Field(ge=0, le=2)]
FewTimes = Annotated[int, Field(ge=1, le=100)]


class Server(Section):
    """Who answers: the name of a model, where, and the environment variable that holds the key."""

    model: Text = required("what its server calls it")
    address: str | None = required("http(s)://HOST/v1")
    key: str | None = setting(None, "name of the environment variable that holds its key")

    @property
    def is_engine(self) -> bool:
        """Whether vLLM answers inside of the job."""
        return self.address == ENGINE


class Solver(Server):
    """Who solves proposed problems."""

    address: str = required("http(s)://HOST/v1")


class Chosen(Section):
    """Which problems are asked about."""

    count: Count | None = setting(1000, "problems at most; null for all", "problems")
    difficulty: Annotated[Several[Count], Field(min_length=1)] | None = setting(None, "bands, 1 easy to 5 hard; null for all")
    sources: Annotated[Several[str], Field(min_length=1)] | None = setting(None, "allow-list of source names; null for all")
    solve_rate: Annotated[Several[Share], Field(min_length=2, max_length=2)] | None = setting(
        None, "lowest and highest solve rate, both included; null for all"
    )


class Holds(Section):
    """When an answer holds: `m` of `k` independent solutions reach it; for new answers it also leads the next one by `margin`."""

    by: Literal["model", "base"] = setting("model", "model: the solver's solutions; base: the base model's samples of the door `useful`")
    k: FewTimes = setting(4, "independent solutions", "solutions")
    m: Count = setting(3, "of them that must reach the answer", "solutions")
    margin: WholeNumber = setting(2, "for new answers, the lead over the next answer", "solutions")
    temperature: Temperature = setting(0.7, "of the solutions")
    max_tokens: Count = setting(1024, "of a solution", "tokens")


class Limits(Section):
    """Budget of an entry, everything that it ever asked; null: no limit. Money is in the currency of the prices."""

    requests: Count | None = setting(None, "requests sent, attempts included; null: no limit", "requests")
    tokens: Count | None = setting(None, "of prompts and answers; null: no limit", "tokens")
    money: Positive | None = setting(None, "in the currency of the prices; null: no limit", "money")


class Prices(Section):
    """Money per million tokens."""

    input: NotNegative = setting(0.0, "of prompts", "money per million tokens")
    output: NotNegative = setting(0.0, "of answers", "money per million tokens")


class Entry(Section):
    """One entry of `augmentation`; docs/reference/augmentation.md tells how they work together."""

    kind: Literal["variants", "harder", "easier", "solutions"] = required(
        "variants: the same answer in other words; harder, easier: new problems; solutions: worked solutions"
    )
    model: Text = required("what the server calls the model; for address engine a model of the table of downloads, or a directory")
    budget: Limits = required("of all that the entry ever asks; at least one limit")
    address: str | None = setting(None, "http(s)://HOST/v1, engine for vLLM inside of the job, or null to replay a cache")
    key: str | None = setting(None, "name of the environment variable that holds the key; null without one")
    solver: Solver | None = setting(None, "who solves proposed problems; null for the same model")
    prompt: str | None = setting(None, "file with {problem} and {answer}; null for the prompt of the kind")
    per_problem: FewTimes = setting(1, "requests per source problem", "requests")
    problems: Chosen = setting(Chosen(), "which problems are asked about")
    temperature: Temperature = setting(1.0, "of proposals")
    max_tokens: Count = setting(1024, "of a proposal", "tokens")
    seed: int | None = setting(0, "each request gets its own seed from it; null for servers that know none")
    parameters: dict[str, JsonValue] = setting({}, "further fields of the request as the server knows them; null takes one away")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = setting(8, "in flight", "requests")
    timeout: Positive = setting(120.0, "of one attempt", "seconds")
    attempts: Count = setting(8, "per request", "attempts")
    prices: Prices = setting(Prices(), "money per million tokens")
    holds: Holds = setting(Holds(), "when an answer holds")
    useful: bool = setting(True, "whether the base model must solve a problem sometimes and miss it sometimes")
    cache: str | None = setting(None, "file of answers (answers.jsonl.zst of another study) that are taken before anything is asked")

    @classmethod
    def of(cls, value: Raw) -> Entry:
        """From what `as_dict` gave.

        Raises:
            UserError: it is no entry.
        """
        return parse(cls, value, "entry of augmentation")

    def as_dict(self) -> Raw:
        """Everything spelled out, for a command line; numbers stay as they were written, requests are known by them."""
        return json.loads(json.dumps(self.model_dump()))

    @property
    def proposer(self) -> Server:
        """Who proposes."""
        return Server(model=self.model, address=self.address, key=self.key)

    @property
    def checker(self) -> Server:
        """Who solves the proposed problems."""
        return self.solver or self.proposer

    @property
    def asks_solver(self) -> bool:
        """Whether somebody is asked to solve what was proposed."""
        return self.kind != "solutions" and self.holds.by == "model"

    @property
    def samples_base(self) -> bool:
        """Whether the base model is sampled on what was proposed."""
        return self.kind != "solutions" and (self.useful or self.holds.by == "base")
