"""What verifiers say of graded samples: best-of-n and weighted majority beside maj@n, and the reasoning behind right answers.

All samples of a problem are one problem's; differences to maj@n are paired over problems.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError
from mathrl.evaluation.metrics import GradedProblem, GradedSample, metric
from mathrl.evaluation.records import Correlation, Evaluation, StepScoreRow, Verified
from mathrl.statistics.intervals import difference, ratio_interval
from mathrl.statistics.records import Cell, Mean
from mathrl.verifiers import ensemble
from mathrl.verifiers.interface import aggregate, first_wrong

StepScores = dict[tuple[str, int], list[float]]
"""(item, sample) → one score per reasoning step."""
Grouping = Callable[[list[str | None]], list[int]]
LAST_STEP = 10  # first wrong steps from here on are counted together


@dataclass(frozen=True)
class Verdicts:
    """Step scores of one verifier for all samples of a benchmark."""

    name: str
    threshold: float
    aggregate: str
    scores: StepScores = field(repr=False)
    disagreement: float | None = None  # of an ensemble: mean over all steps

    def of(self, problem: GradedProblem, sample: GradedSample) -> list[float]:
        """The step scores of a sample; `UserError` where there are none: nothing is counted as zero."""
        try:
            return self.scores[problem.id, sample.sample]
        except KeyError:
            raise UserError(f"verifier {self.name}: has no scores of sample {sample.sample} of item {problem.id}; score again") from None


def read_scores(rows: Iterable[StepScoreRow]) -> StepScores:
    """Rows {id, sample, scores} of `results/{model}/{protocol}/steps/{verifier}/{benchmark}.jsonl.zst`."""
    return {(str(row["id"]), int(row["sample"])): [float(score) for score in row["scores"]] for row in rows}


def verdicts(settings: Mapping[str, Settings], use: Sequence[str], scored: Mapping[str, StepScores]) -> list[Verdicts]:
    """The verifiers in use; ensembles are put together from their members' scores."""
    found = []
    for name in use:
        one = settings[name]
        if not one.of:
            found.append(Verdicts(name, one.threshold, one.aggregate, scored[name]))
            continue
        limits = [settings[part].threshold for part in one.of]
        how = one.own.get("combine", "mean")
        scores, apart = {}, []
        for key in scored[one.of[0]]:
            parts = [scored[part][key] for part in one.of]
            scores[key] = ensemble.combine(parts, how, limits) if parts[0] else []
            apart += ensemble.disagreement(parts, limits) if parts[0] else []
        found.append(Verdicts(name, one.threshold, one.aggregate, scores, float(np.mean(apart)) if apart else None))
    return found


def best_of(problem: GradedProblem, weights: Sequence[float]) -> float:
    """Best-of-n: is the answer of the best sample right? Samples without an answer do not take part; ties share the point."""
    answered = [(weight, sample.correct) for weight, sample in zip(weights, problem.samples, strict=True) if sample.extracted is not None]
    if not answered:
        return 0.0
    best = max(weight for weight, _ in answered)
    return float(np.mean([correct for weight, correct in answered if weight == best]))


def weighted_majority(problem: GradedProblem, weights: Sequence[float], group_answers: Grouping) -> float:
    """Is the answer right whose samples weigh most together? As `metrics.majority_value` otherwise."""
    voters = [place for place, sample in enumerate(problem.samples) if sample.extracted is not None]
    if not voters:
        return 0.0
    groups = group_answers([problem.samples[place].extracted for place in voters])
    weight: defaultdict[int, float] = defaultdict(float)
    first: dict[int, int] = {}
    for place, group in zip(voters, groups, strict=True):
        weight[group] += weights[place]
        first.setdefault(group, place)
    most = max(weight.values())
    largest = [first[group] for group, total in weight.items() if total >= most - 1e-12]
    return sum(problem.samples[place].correct for place in largest) / len(largest)


def verified(problems: Sequence[GradedProblem], majority: Sequence[float], found: Verdicts, group_answers: Grouping) -> Verified:
    """The figures of one verifier on one benchmark.

    Args:
        problems: with at least one sample each.
        majority: maj@n of each.
        found: step scores of every sample.
        group_answers: equivalence classes of answers.
    """
    steps = [[found.of(problem, sample) for sample in problem.samples] for problem in problems]
    weights = [[aggregate(scores, found.aggregate) for scores in own] for own in steps]
    best = [best_of(problem, own) for problem, own in zip(problems, weights, strict=True)]
    heavy = [weighted_majority(problem, own, group_answers) for problem, own in zip(problems, weights, strict=True)]
    wrong_at = [[first_wrong(scores, found.threshold) for scores in own] for own in steps]
    flawed = [
        sum(sample.correct and place is not None for sample, place in zip(problem.samples, own, strict=True))
        for problem, own in zip(problems, wrong_at, strict=True)
    ]
    right = [sum(sample.correct for sample in problem.samples) for problem in problems]
    good = [sum(score >= found.threshold for scores in own for score in scores) for own in steps]
    places = Counter("none" if place is None else str(min(place + 1, LAST_STEP)) for own in wrong_at for place in own)
    result: Verified = {
        "best_of_n": metric(best),
        "weighted_majority": metric(heavy),
        "best_of_n_minus_majority": _minus(best, majority),
        "weighted_majority_minus_majority": _minus(heavy, majority),
        "flawed_but_right": _ratio(flawed, right),
        "steps_right": _ratio(good, [sum(map(len, own)) for own in steps]),
        "first_wrong_step": dict(sorted(places.items(), key=lambda part: (len(part[0]), part[0]))),
        "correlation": _correlation(problems, weights),
        "threshold": found.threshold,
        "aggregate": found.aggregate,
    }
    if found.disagreement is not None:
        result["disagreement"] = found.disagreement
    return result


def _minus(values: Sequence[float], majority: Sequence[float]) -> Mean:
    found = difference(np.asarray(values, dtype=float), np.asarray(majority, dtype=float))
    low, high = found.interval(-1.0, 1.0)
    return {"value": found.value, "low": low, "high": high, "n": len(values)}


def _ratio(part: Sequence[int], whole: Sequence[int]) -> Cell:
    parts, wholes = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    counted = int((wholes > 0).sum())
    if not counted:
        return {"value": None, "low": None, "high": None, "n": 0}
    low, high = ratio_interval(parts, wholes)
    return {"value": float(parts.sum() / wholes.sum()), "low": low, "high": high, "n": counted}


def _correlation(problems: Sequence[GradedProblem], weights: Sequence[Sequence[float]]) -> Correlation:
    """Pearson's correlation of response score and correctness over all samples; None where one of them is always the same."""
    correct = [float(sample.correct) for problem in problems for sample in problem.samples]
    scores = [weight for own in weights for weight in own]
    if np.std(correct) == 0 or np.std(scores) == 0:
        return {"value": None, "n": len(correct)}
    return {"value": float(np.corrcoef(scores, correct)[0, 1]), "n": len(correct)}


def add(result: Evaluation, problems: Sequence[GradedProblem], found: Sequence[Verdicts], group_answers: Grouping) -> None:
    """Put `verifiers: {name: figures}` into the eval JSON of these graded problems; nothing where no verifier is in use."""
    sampled = [problem for problem in problems if problem.samples]
    if not found or not sampled:
        return
    majority = [value for value in result["per_problem"]["majority"] if value is not None]
    result["verifiers"] = {one.name: verified(sampled, majority, one, group_answers) for one in found}
