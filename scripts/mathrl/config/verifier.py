"""The section `verifiers`: what scores each reasoning step of a response, and how steps are labelled."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field, JsonValue, StringConstraints

from mathrl.config.records import VerifierOptions
from mathrl.config.section import Count, Distinct, Dtype, NotNegative, Number, Positive, Section, Several, Share, WholeNumber, key, required

VerifierName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
FOR_ALL = ("kind", "threshold", "aggregate")


class Verifier(Section):
    """One verifier; which keys a kind has is in docs/reference/verifiers.md."""

    kind: str = required("arithmetic, prm, likelihood, hf-prm, judge, ensemble, FILE.py:function or module:function")
    threshold: Share = key(0.5, "a step with a score below it is flagged", "0 to 1")
    aggregate: Literal["min", "last", "mean", "product"] = key("min", "how the scores of a response's steps become one")
    model: str | None = key(
        None,
        "prm, likelihood: a run, a name in the table of downloads or a directory; hf-prm: one of the last two; "
        "judge: what its server calls it",
    )
    dtype: Dtype | None = key(None, "prm, likelihood, hf-prm: of the model that scores; null: bfloat16, on a CPU float32")
    separator: Annotated[str, StringConstraints(min_length=1)] | None = key(
        None, "hf-prm: the token after each step; likelihood: the text between two steps, null: a space"
    )
    system: str | None = key(None, "hf-prm: its system prompt")
    url: Annotated[str, StringConstraints(pattern="^https?://")] | None = key(
        None, "judge: address of an OpenAI-compatible interface, such as http://localhost:8000/v1"
    )
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = key(
        None, "judge: environment variable that holds the key"
    )
    prompt: str | None = key(None, "judge: file with the slots {problem} and {steps}")
    max_tokens: Count | None = key(None, "judge: of a reply", "tokens")
    parallel: Count | None = key(None, "judge: in flight", "requests")
    max_total_tokens: Count | None = key(None, "judge: that all requests together may use, over all runs of the workflow", "tokens")
    max_usd: Positive | None = key(None, "judge: that they may cost", "US dollars")
    usd_per_million: Annotated[Several[NotNegative], Field(min_length=2, max_length=2)] | None = key(
        None, "judge: price of a million tokens of prompt and of reply", "US dollars"
    )
    of: Annotated[Distinct[str], Field(min_length=2)] | None = key(None, "ensemble: names of its members")
    combine: Literal["vote", "min", "mean", "lower_bound"] | None = key(None, "ensemble: how scores of members become one")
    options: dict[str, JsonValue] | None = key(None, "of a function of yours: its further arguments")

    @property
    def own(self) -> VerifierOptions:
        """What its kind was told, beside what every kind knows."""
        return cast(VerifierOptions, {name: value for name, value in self if name not in FOR_ALL and value is not None})


class Labels(Section):
    """Labels of reasoning steps from completions of a policy."""

    policy: str = key("base", "a row of the score table, whose solutions and completions are sampled")
    problems: Count | None = key(512, "training problems; null for all", "problems")
    n: Count = key(8, "per problem", "solutions")
    completions: Count = key(8, "from the end of each step", "completions")
    max_tokens: Count = key(512, "of a solution, and of a completion", "tokens")
    planted: WholeNumber = key(0, "of each right solution, with one number of one step changed and cut off after it", "copies")
    solvable: Annotated[Number, Field(gt=0, le=1)] = key(0.5, "least share of right completions before a wrong step", "0 to 1")
    lost: Annotated[Number, Field(ge=0, lt=1)] = key(0.0, "greatest share of right completions after it", "0 to 1")
    agree: str | None = key(None, "a verifier that must name the same first wrong step")
    accept: str | None = key(None, "a verifier that flags no step of an accepted solution")


class Verifiers(Section):
    """What scores each reasoning step of a response, 0 wrong to 1 right."""

    named: dict[VerifierName, Verifier] = key({}, "verifiers by name")
    use: Distinct[str] = key((), "verifiers that score the samples of the evaluation")
    step_sets: dict[VerifierName, str] = key({}, "JSON-lines files {problem, steps, first_error} by name; verifiers are measured on them")
    batch_size: Count = key(64, "scored at once", "responses")
    timeout: Positive = key(300, "that one batch, or one request of a judge, may take", "seconds")
    retries: WholeNumber = key(4, "further tries of a batch that failed", "tries")
    labels: Labels = key(Labels(), "labels of reasoning steps from completions of a policy")
