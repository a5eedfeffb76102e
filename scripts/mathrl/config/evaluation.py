"""Sampling and grading of models, as named protocols."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from mathrl.config.section import (
    Count,
    Distinct,
    Dtype,
    Name,
    NotNegative,
    PositiveShare,
    Section,
    Several,
    Share,
    WholeNumber,
    key,
    required,
)


class Sampling(Section):
    """What of a protocol decides which responses are made."""

    prompt: Literal["training", "contest"] = required("training: the prompt above through the chat template; contest: the organisers' text")
    temperature: NotNegative = required("of the sampled responses")
    top_p: PositiveShare = required("nucleus", "0 to 1")
    n: WholeNumber = required("sampled responses per problem; 0: greedy only", "responses")
    greedy: bool = required("one greedy response besides (sample -1)")
    max_tokens: Count = required("new tokens per response", "tokens")
    seed: WholeNumber = required("of the sampled responses")


class Protocol(Sampling):
    """A named evaluation."""

    grader: Literal["ours", "contest"] = required("judge of the answers")
    extraction: Literal["strict", "lenient"] = required("strict: box only; lenient: last number where there is no box")

    @property
    def sampling(self) -> Sampling:
        """Without the judge, which is no part of what is sampled."""
        return Sampling.model_validate(self.model_dump(exclude={"grader", "extraction"}))


class Engine(Section):
    """What of the evaluation an engine is started with."""

    batch_size: Count = key(256, "requests in flight per engine", "requests")
    dtype: Dtype = key("bfloat16", "of the engine's computation")
    batch_invariant: bool = key(
        False, "vLLM's kernels whose results do not depend on the batch; slower, and only on GPUs that they are written for"
    )
    gpu_memory_utilization: PositiveShare = key(0.9, "for the engine", "share of a GPU")


FINALIST = Protocol(
    prompt="training", temperature=0.6, top_p=0.95, n=4, greedy=True, max_tokens=512, seed=0, grader="ours", extraction="strict"
)
CONTEST = Protocol(
    prompt="contest", temperature=0.6, top_p=0.95, n=16, greedy=False, max_tokens=3072, seed=0, grader="contest", extraction="lenient"
)


Metric = Literal["pass@1", "pass@1_strict", "pass@1_lenient", "greedy", "maj@n"]


class Expected(Section):
    """What is expected of a run before it is trained, and what would contradict it."""

    run: Name = required("a run, or the name of its replicates")
    over: Name = key("base", "what it is compared with: base, or another run")
    effect: Literal["gain", "none", "loss"] = required("gain: better; none: not shown to differ; loss: worse")
    metric: Metric | None = key(None, "null: the metric of the endpoint")


class Judged(Section):
    """What the study is judged by under the primary protocol; mathrl.config.endpoint registers it."""

    metric: Metric = key("pass@1", "metric whose mean over the benchmarks counts")
    benchmarks: Annotated[Distinct[str], Field(min_length=1)] | None = key(
        None, "benchmarks that the endpoint is the mean of; null for all, as the contest counts it"
    )
    against: Annotated[Distinct[str], Field(min_length=1)] = key(("base", "grpo"), "base, and runs that every run is compared with")
    inverse_variance: bool = key(False, "true: a mean weighted by the base model's precision on each benchmark stands beside it")
    expected: Several[Expected] = key((), "what is expected of runs: {run, over, effect, metric}; registered with the endpoint")


MEAN = "mean"
"""What a band may name in place of a benchmark."""


class Band(Section):
    """A band for the score of one model, and where it is from."""

    run: Name = required("a run, or base for the untrained model")
    benchmark: Name = required("a name in benchmarks, or mean for the mean over all of them")
    low: Share = required("lowest score that is expected", "0 to 1")
    high: Share = required("highest score that is expected", "0 to 1")
    source: Annotated[str, StringConstraints(min_length=1)] = required("who measured it, and how")
    protocol: Name | None = key(None, "a name of evaluation.protocols; null for evaluation.primary")
    metric: Metric = key("pass@1", "metric of that score")


class Evaluation(Engine):
    """Sampling and grading."""

    shards: Count = key(6, "jobs per model, one GPU and one engine start each", "jobs")
    protocols: Annotated[dict[Name, Protocol], Field(min_length=1)] = key({"finalist": FINALIST, "contest": CONTEST}, "named evaluations")
    steps: Distinct[Count | Literal["best", "last"]] = key(
        (), "checkpoints along training that are evaluated too: a step of the run's last stage, best or last"
    )
    select: Annotated[Distinct[Name], Field(min_length=1)] = key(("finalist", "contest"), "protocols that the score table shows")
    primary: str = key("contest", "the protocol whose mean over the benchmarks is the endpoint")
    endpoint: Judged = key(Judged(), "what the study is judged by under `primary`; registered with time and hash when work begins")
    bands: Several[Band] = key((), "scores that were published for this experiment; the score table says where a score lies beside them")

    @property
    def engine(self) -> Engine:
        """What an engine is started with."""
        return Engine.model_validate({name: getattr(self, name) for name in Engine.model_fields})
