"""Before anything is spent: the smallest difference that so many problems, samples and seeds can show with 80 % power.

Needs no data and neither SciPy: it is told by a dry run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Student's quantiles at 97.5 % and at 80 %, by degrees of freedom; normal ones beyond.
QUANTILES = {
    1: (12.7062, 1.3764), 2: (4.3027, 1.0607), 3: (3.1824, 0.9785), 4: (2.7764, 0.9410), 5: (2.5706, 0.9195), 6: (2.4469, 0.9057),
    7: (2.3646, 0.8960), 8: (2.3060, 0.8889), 9: (2.2622, 0.8834), 10: (2.2281, 0.8791), 12: (2.1788, 0.8726), 15: (2.1314, 0.8662),
    20: (2.0860, 0.8600), 30: (2.0423, 0.8538),
}  # fmt: skip
NORMAL = (1.9600, 0.8416)
ACCURACY = {"aime24": 0.02, "amc23": 0.06, "gsm8k": 0.25, "math500": 0.15, "minerva_math": 0.05, "olympiadbench": 0.05}
"""Assumed before anything is measured, after the untrained model's published scores; 0.2 for other benchmarks."""
ALIKE = 0.4  # assumed correlation of the samples of one problem
TOGETHER = 0.5  # assumed correlation of the solve rates of two models
SPREAD = 0.01  # assumed standard deviation of the endpoint between seeds (0.4 to 1.6 points were measured)


@dataclass(frozen=True)
class Plan:
    """What a planned comparison can show. Shares, not points.

    Attributes:
        problems: over all benchmarks.
        checkpoints: smallest difference between a trained checkpoint and the base model, on problems like these.
        algorithm: the same for what was trained, over seeds; None with one seed.
        anatomy: share of the endpoint's variance by benchmark.
    """

    problems: int
    checkpoints: float
    algorithm: float | None
    anatomy: dict[str, float]


def plan(sizes: Mapping[str, int], samples: int, seeds: int, spread: float = SPREAD) -> Plan:
    """The plan of a run with `seeds` replicates against the base model, `samples` per problem, problems by benchmark as in `sizes`."""
    variances = {}
    for name, size in sizes.items():
        accuracy = ACCURACY.get(name, 0.2)
        alike = 2 * ALIKE * (1 - TOGETHER)
        chance = (1 - ALIKE) * (1 / seeds + 1) / max(samples, 1)
        variances[name] = accuracy * (1 - accuracy) * (alike + chance) / size / len(sizes) ** 2
    total = sum(variances.values())
    over_problems = sum(NORMAL) * math.sqrt(total)
    algorithm = None
    if seeds > 1:
        freedom = max(key for key in QUANTILES if key <= seeds - 1) if seeds <= 31 else None
        quantile = sum(QUANTILES[freedom] if freedom else NORMAL)
        algorithm = math.hypot(over_problems, quantile * spread / math.sqrt(seeds))
    return Plan(sum(sizes.values()), over_problems, algorithm, {name: part / total for name, part in variances.items()})


def told(plan: Plan, samples: int, seeds: int) -> str:
    """One line for a dry run."""
    few = sorted(plan.anatomy, key=lambda name: -plan.anatomy[name])[:2]
    share = sum(plan.anatomy[name] for name in few)
    said = (
        f"power: {plan.problems} problems × {samples or 1} samples show a difference of {100 * plan.checkpoints:.1f} points to the base "
        f"model with 80 % power (assumed: solve rates as published, correlation {ALIKE}); {' and '.join(few)} carry {100 * share:.0f} % "
        "of the variance. "
    )
    if plan.algorithm is None:
        return said + "With one seed per run nothing is shown about the algorithm; write seeds: [1, 2, 3, 4, 5]"
    return said + f"Over {seeds} seeds, {100 * plan.algorithm:.1f} points (assumed: {100 * SPREAD:.1f} between seeds)"
