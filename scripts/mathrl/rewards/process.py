"""What the scores of a response's reasoning steps do to its reward.

The outcome reward (`mathrl.rewards.outcome`) looks at the answer; a process reward looks at the way there. `gate` can only take away,
and only from right answers: a policy gains nothing by pleasing the verifier. `filter` changes no reward, it says which responses are
trained on (`mathrl.rewards.process_filter`). `min` and `blend` can give. With `min` it is a step that is rewarded
(`mathrl.rewards.process_min`). `blend` has been hacked: a policy that repeated "boxed" pleased a process reward model, and mixing lowered
the accuracy of small models (docs/reference/verifiers.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mathrl.config.process import Process
from mathrl.config.verifiers import Settings
from mathrl.rewards import process_min
from mathrl.verifiers import ensemble
from mathrl.verifiers.interface import aggregate


@dataclass(frozen=True)
class Verdict:
    """The steps of one response, scored.

    Args:
        score: of the response, 0 to 1.
        flagged: share of its steps below the threshold, 0 to 1.
        of_steps: score of each, 0 to 1.
        disagreement: mean share of pairs of verifiers that disagree about a step; 0 for one verifier.
    """

    score: float
    flagged: float
    of_steps: tuple[float, ...]
    disagreement: float = 0.0


def verdict(scores: Sequence[Sequence[float]], one: Settings, members: Sequence[Settings]) -> Verdict:
    """What the step scores of each of the `members` say together; `one` says how they are read. Without steps there is nothing to trust."""
    thresholds = [member.threshold for member in members]
    together = list(scores[0])
    apart = [0.0]
    if len(members) > 1 and together:
        together = ensemble.combine(scores, one.own["combine"], thresholds)
        apart = ensemble.disagreement(scores, thresholds)
    flagged = sum(score < one.threshold for score in together) / max(1, len(together))
    return Verdict(aggregate(together, one.aggregate), flagged, tuple(together), sum(apart) / len(apart))


def gate(outcome: float, correct: bool, said: Verdict, weight: float) -> float:
    """A right answer with a flagged step loses `weight`; everything else keeps its reward."""
    return outcome - weight if correct and said.flagged else outcome


def blend(outcome: float, correct: bool, said: Verdict, weight: float) -> float:
    """`weight` parts of the process score, the rest of the outcome; whether the answer is right is in the outcome alone."""
    return (1 - weight) * outcome + weight * said.score


MODES: dict[str, Callable[[float, bool, Verdict, float], float]] = {"gate": gate, "blend": blend}


def with_process(outcome: Mapping[str, float | str], said: Verdict, process: Process, steps: Sequence[str] = ()) -> dict[str, float | str]:
    """What `compute_score` returns, with the reward of the mode as `score`; `outcome` is what the reward was before.

    `process_acc` is correctness as the gate sees it, for dynamic sampling: right answers of one prompt differ where some are flagged.
    `process_mean`, of a filter, is the mean score of the steps, 0 to 1. Of `min`, `process_worst` is the lowest one, and `process_credit`
    the part of `score` that each step earns, as JSON: pairs of where the step ends (`process_min.ends`) and its reward. It is text, which
    verl keeps out of its metrics.
    """
    before, correct = float(outcome["score"]), bool(outcome["acc"])
    found = {
        **outcome,
        "score": MODES[process.mode](before, correct, said, process.weight) if process.mode in MODES else before,
        "outcome": before,
        "process_score": said.score,
        "process_flagged": said.flagged,
        "process_steps": float(len(said.of_steps)),
        "process_disagreement": said.disagreement,
        "process_acc": gate(float(correct), correct, said, process.weight),
    }
    if process.mode == "filter":
        found["process_mean"] = math.fsum(said.of_steps) / max(1, len(said.of_steps))
    if process.mode == "min":
        earned = (process.weight * process_min.softmin(said.of_steps, process.temperature)).tolist()
        found["score"] = (1 - process.weight) * before + math.fsum(earned)
        found["process_worst"] = min(said.of_steps, default=process_min.NOTHING)
        found["process_credit"] = json.dumps(list(zip(process_min.ends(steps) or [0], earned, strict=True)))
    return found
