"""Two models on the same problems: effect and interval, paired by problem; over seeds a p value too, and what may be claimed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mathrl.config.controls import control_kind
from mathrl.config.endpoint import Endpoint
from mathrl.config.experiment import Configuration
from mathrl.config.reading import Raw
from mathrl.config.runs import stages
from mathrl.core.files import UserError
from mathrl.statistics.intervals import Estimate, difference, mean_difference, part_variances, t_quantile, weighted_mean
from mathrl.statistics.records import Column, Comparison, ComparisonRow, Effect, EffectParts, Mean, NetEffect, Scored

Results = Mapping[str, Scored]  # eval JSON by benchmark
COLUMNS: dict[str, Column] = {
    "pass@1": "correct",
    "pass@1_strict": "strict",
    "pass@1_lenient": "lenient",
    "greedy": "greedy",
    "maj@n": "majority",
}
"""Column of `per_problem` behind each metric of an endpoint."""
SPLIT: tuple[Column, ...] = ("correct", "strict")
"""Columns that count the same samples as `lenient` does."""


def problem_scores(results: Sequence[Scored], key: Column = "correct") -> dict[str, tuple[float, int]]:
    """(score, samples) by problem id from the eval JSONs of one model, or of several (replicates), whose scores are averaged.

    `key` is a column of `per_problem`. Columns that count samples are divided by `n` (greedy verdicts are taken where n is 0).
    Problems that one of them lacks are left out.
    """
    tables = []
    for result in results:
        columns = result["per_problem"]
        rows = zip(columns["id"], columns["n"], columns[key], columns["greedy"], strict=True)
        if key in ("greedy", "majority"):
            tables.append({i: (float(value or 0), 1) for i, _, value, _ in rows})
        else:
            tables.append({i: ((count or 0) / n if n else float(greedy or 0), n) for i, n, count, greedy in rows})
    shared = [i for i in tables[0] if all(i in table for table in tables)]
    return {i: (sum(table[i][0] for table in tables) / len(tables), sum(table[i][1] for table in tables)) for i in shared}


def paired_values(ours: Sequence[Scored], theirs: Sequence[Scored], key: Column = "correct") -> tuple[np.ndarray, np.ndarray, float]:
    """Per-problem scores of two models (see `problem_scores`) on the problems that both have, and the mean number of samples."""
    first, second = problem_scores(ours, key), problem_scores(theirs, key)
    shared = [i for i in first if i in second]
    values = np.array([first[i][0] for i in shared])
    others = np.array([second[i][0] for i in shared])
    sizes = [max(min(first[i][1], second[i][1]), 1) for i in shared]
    return values, others, float(np.mean(sizes)) if sizes else 1.0


def compare(
    ours: Sequence[Results],
    theirs: Sequence[Results],
    benchmarks: Sequence[str],
    key: Column = "correct",
    weights: Sequence[float] | None = None,
    seeds: bool = False,
) -> Comparison | None:
    """Paired comparison of two models under one protocol; each side is one run, or replicates that differ in their seed.

    Returns {"benchmarks": {name: cell}, "mean": cell, "p": float or None, "anatomy": {name: share of the variance of the mean}, "level"};
    a cell is {value, low, high, smallest, n}. None unless all have every benchmark.

    Without `seeds` the problems alone are random: the interval is about these checkpoints, and there is no p value. With `seeds` problems
    and seeds are crossed and both random: the variance over problems, which holds that of the base model's samples too, and the variance
    over the seeds of each side that has several, less what both count.
    """
    if not ours or not theirs or any(name not in results for results in (*ours, *theirs) for name in benchmarks):
        return None
    sides = [([results[name] for results in ours], [results[name] for results in theirs]) for name in benchmarks]
    cells: dict[str, Effect] = {}
    differences, sizes = [], []
    for name, (first, second) in zip(benchmarks, sides, strict=True):
        values, others, size = paired_values(first, second, key)
        if not len(values):
            return None
        over_problems = difference(values, others, size)
        estimate = _with_seeds(over_problems, [(first, second)], [1.0], key) if seeds else over_problems
        cells[name] = estimate.cell(len(ours) if seeds else len(values))
        differences.append(values - others)
        sizes.append(size)
    shares = list(weights or [1 / len(benchmarks)] * len(benchmarks))
    over_problems = mean_difference(differences, sizes, shares)
    estimate = _with_seeds(over_problems, sides, shares, key) if seeds else over_problems
    variances = part_variances(differences, shares, sizes)
    parts = {name: variance / sum(variances) for name, variance in zip(benchmarks, variances, strict=True)}
    mean = estimate.cell(len(ours) if seeds else sum(map(len, differences)))
    level = "seeds" if seeds else "problems"
    return {"benchmarks": cells, "mean": mean, "anatomy": parts, "level": level, "p": estimate.p if seeds else None}


def _with_seeds(
    over_problems: Estimate, sides: Sequence[tuple[Any, Any]], weights: Sequence[float], key: Column, less: Column | None = None
) -> Estimate:
    """The estimate with the variance over seeds of each side that has several runs, of a column or of that `less` another one."""
    parts = list(over_problems.parts)
    for side in (0, 1):
        runs = len(sides[0][side])
        if runs < 2:
            continue
        means, both = np.zeros(runs), 0.0
        for pair, weight in zip(sides, weights, strict=True):
            tables = [problem_scores([result], key) for result in pair[side]]
            shared = [i for i in tables[0] if all(i in table for table in tables)]
            scores = np.array([[table[i][0] for i in shared] for table in tables])
            if less:
                others = [problem_scores([result], less) for result in pair[side]]
                scores = scores - np.array([[table[i][0] for i in shared] for table in others])
            means += weight * scores.mean(axis=1)
            rest = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
            both += weight**2 * float((rest**2).sum()) / ((runs - 1) * max(len(shared) - 1, 1)) / scores.size
        parts.append((max(float(means.var(ddof=1)) / runs - both, 0.0), runs - 1.0))
    return Estimate(over_problems.value, tuple(parts))


def split_effect(
    ours: Sequence[Results], theirs: Sequence[Results], benchmarks: Sequence[str], key: Column, seeds: bool = False
) -> EffectParts | None:
    """The effect in two parts that add up to it: `answers`, where a last number without a box counts too, and `format`, the rest.

    Each part is a cell as of `compare`, with `seeds` over problems and seeds. None for a metric without a lenient counterpart of the same
    samples (a greedy response, a majority). `unsolved_before`: of our mean `score`, the part on problems that the other model
    solved in none of its at least `k` samples, with or without a box.
    """
    parts: dict[str, list[np.ndarray]] = {"answers": [], "format": []}
    sizes, new, k = [], [], []
    if key not in SPLIT or any("lenient" not in results[name]["per_problem"] for results in (*ours, *theirs) for name in benchmarks):
        return None
    for name in benchmarks:
        first, second = [r[name] for r in ours], [r[name] for r in theirs]
        values, others, size = paired_values(first, second, key)
        lenient, before, _ = paired_values(first, second, "lenient")
        if not len(values):
            return None
        parts["answers"].append(lenient - before)
        parts["format"].append((values - others) - (lenient - before))
        sizes.append(size)
        new.append(float(np.mean(values * (before == 0))))
        k.append(min(n for result in second for n in result["per_problem"]["n"]))
    count = len(ours) if seeds else sum(map(len, parts["answers"]))
    sides = [([r[name] for r in ours], [r[name] for r in theirs]) for name in benchmarks]
    shares = [1 / len(benchmarks)] * len(benchmarks)
    columns: dict[str, tuple[Column, Column | None]] = {"answers": ("lenient", None), "format": (key, "lenient")}
    found: dict[str, Effect] = {}
    for part, some in parts.items():
        over_problems = mean_difference(some, sizes)
        estimate = _with_seeds(over_problems, sides, shares, *columns[part]) if seeds else over_problems
        found[part] = estimate.cell(count)
    score = float(np.mean([np.mean(paired_values([r[n] for r in ours], [r[n] for r in theirs], key)[0]) for n in benchmarks]))
    new_share = float(np.mean(new))
    return {"answers": found["answers"], "format": found["format"], "unsolved_before": new_share, "score": score, "k": min(k)}


def base_weights(base: Results, benchmarks: Sequence[str], key: Column = "correct") -> list[float]:
    """Weights of the benchmarks by the inverse variance of the base model's mean on each: known before any run is evaluated."""
    precision = []
    for name in benchmarks:
        found = problem_scores([base[name]], key)
        values = np.array([score for score, _ in found.values()])
        size = float(np.mean([max(n, 1) for _, n in found.values()]))
        precision.append(1 / weighted_mean([values], [1.0], [size]).error ** 2)
    return [one / sum(precision) for one in precision]


def holm(p_values: Sequence[float], further: int = 0) -> list[float]:
    """p values adjusted for making several comparisons (Holm 1979), in the given order.

    `further` comparisons were made and are not among them (runs that were evaluated and left out): each counts as if its p were 1.
    """
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    return multipletests([*p_values, *[1.0] * further], method="holm")[1][: len(p_values)].tolist()


def seed_interval(means: Sequence[float]) -> Mean | None:
    """Mean over replicates (runs that differ in their seed alone) with Student's t interval; None for fewer than two."""
    if len(means) < 2:
        return None
    half = t_quantile(len(means) - 1.0) * float(np.std(means, ddof=1)) / len(means) ** 0.5
    mean = float(np.mean(means))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": len(means)}


def replicates(runs: Mapping[str, Raw]) -> dict[str, list[str]]:
    """Runs grouped by their settings without the seed: name of the group → all its runs.

    A group is called what its runs are called before `-seed-N`, or else like its first run.
    """
    groups: dict[str, list[str]] = {}
    for name, settings in runs.items():
        key = repr(sorted((k, repr(v)) for k, v in settings.items() if k != "seed"))
        groups.setdefault(key, []).append(name)
    named = {}
    for names in groups.values():
        stems = {name.rpartition("-seed-")[0] for name in names}
        stem = stems.pop() if len(stems) == 1 else ""
        named[stem if len(names) > 1 and stem and stem not in runs else names[0]] = names
    return named


def merged_runs(config: Configuration) -> dict[str, Raw]:
    """Training settings of each run: those of its last stage, and what earlier stages set otherwise, as text."""
    merged = {}
    for run in config.runs:
        *before, last = (config.stage(run, name).model_dump() for name in stages(config, run))
        merged[run] = last | ({"stages": json.dumps(before, sort_keys=True)} if before else {})
    return merged


def run_groups(config: Configuration, models: Sequence[str]) -> dict[str, list[str]]:
    """The runs among `models` by group; runs that differ in their seed alone are one, every other run is a group of its own.

    So are runs that start from others, where these differ in their seed alone.
    """
    return replicates({name: _but_for_seeds(config, name) for name in models if name in config.runs})


def _but_for_seeds(config: Configuration, run: str) -> Raw:
    """The settings of a run's stages by name, without their seeds; those of a run that it starts from in the place of its name."""
    found: Raw = {}
    for name in stages(config, run):
        own = config.stage(run, name).model_dump()
        start = own["start_from"]
        found[name] = own | {"seed": None, "start_from": _but_for_seeds(config, start) if start in config.runs else start}
    return found


def regroup(groups: Mapping[str, list[str]], given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """`groups` with those of the command line in their place.

    Raises:
        UserError: a member that is no run of `groups`.
    """
    found = dict(groups)
    for name, members in given.items():
        unknown = sorted(set(members) - {run for runs in found.values() for run in runs})
        if unknown:
            raise UserError(f"--group {name}={','.join(members)}: must be NAME=RUN,RUN with runs of --models; not one: {unknown[0]}")
        found = {key: left for key, runs in found.items() if (left := [run for run in runs if run not in members])} | {name: members}
    return found


def label(group: str, runs: Sequence[str]) -> str:
    """What a group is called in tables."""
    return f"{group} ({len(runs)} seeds)" if len(runs) > 1 else runs[0]


def compare_all(
    evals: Mapping[tuple[str, str, str], Scored],
    groups: Mapping[str, Sequence[str]],
    endpoint: Endpoint,
    controls: Mapping[str, str] | None = None,
    further: int = 0,
) -> list[ComparisonRow]:
    """Every group of runs against each reference of the endpoint: rows of `compare` with model, runs, against, against_runs, control and
    p_adjusted.

    `controls` says which runs are control arms, and of which kind (`control_kinds`). A row against the base model has `parts`
    (`split_effect`), and `net`: the effect less that of the control arm that gained most, {model, kind, **cell}, where there is one.
    p values, which replicates alone have, are adjusted over all rows together and `further` comparisons. Further models and checkpoints
    along training enter no comparison.
    """
    controls = controls or {}
    key, benchmarks = COLUMNS[endpoint.metric], list(endpoint.benchmarks)

    def tables(runs: Sequence[str]) -> list[dict[str, Scored]]:
        found = [{b: evals[run, endpoint.protocol, b] for b in benchmarks if (run, endpoint.protocol, b) in evals} for run in runs]
        return [table for table in found if len(table) == len(benchmarks)]

    base = tables(["base"])
    weights = base_weights(base[0], benchmarks, key) if endpoint.inverse_variance and base else None
    rows: list[ComparisonRow] = []
    for reference in endpoint.against:
        names = {"base": ["base"]}.get(reference) or groups.get(reference, [])
        theirs = tables(names)
        for group, runs in groups.items():
            ours = tables(runs)
            if group == reference or not ours or not theirs:
                continue
            # one seed on a side that was trained: another seed may turn it round, and a p value over problems would not know
            seeds = len(ours) > 1 and (reference == "base" or len(theirs) > 1)
            found = compare(ours, theirs, benchmarks, key, seeds=seeds)
            if not found:
                continue
            row = _row((group, runs), ("base", ["base"]) if reference == "base" else (label(reference, names), names), found, controls)
            if reference == "base":
                row["parts"] = split_effect(ours, theirs, benchmarks, key, seeds)
            if weights:
                weighted = compare(ours, theirs, benchmarks, key, weights, seeds)
                row["weighted"] = weighted and weighted["mean"]
                row["weights"] = dict(zip(benchmarks, weights, strict=True))
            rows.append(row)
    _net_of_control(rows, tables, benchmarks, key)
    tested = [(row, row["p"]) for row in rows if row["p"] is not None]
    for (row, _), adjusted in zip(tested, holm([p for _, p in tested], further + len(rows) - len(tested)), strict=True):
        row["p_adjusted"] = adjusted
    return rows


def _row(
    ours: tuple[str, Sequence[str]], theirs: tuple[str, Sequence[str]], found: Comparison, controls: Mapping[str, str]
) -> ComparisonRow:
    """A comparison with the names and runs of both sides; what is known over all rows alone is not set yet."""
    (group, runs), (against, names) = ours, theirs
    return {
        "model": label(group, runs),
        "runs": list(runs),
        "against": against,
        "against_runs": list(names),
        **found,
        "control": controls.get(runs[0]),
        "weighted": None,
        "net": None,
        "p_adjusted": None,
    }


def _net_of_control(rows: list[ComparisonRow], tables: Callable[..., list[Any]], benchmarks: Sequence[str], key: Column) -> None:
    """Set `net` of each row against the base model: our runs against the control arm that gained most."""
    arms = [row for row in rows if row["against"] == "base" and row["control"]]
    strongest = max(arms, key=lambda row: row["mean"]["value"], default=None)
    for row in rows:
        if strongest is None or row["against"] != "base" or row["control"]:
            row["net"] = None
            continue
        ours, theirs = tables(row["runs"]), tables(strongest["runs"])
        found = compare(ours, theirs, benchmarks, key, seeds=min(len(ours), len(theirs)) > 1)
        row["net"] = _net(strongest, found) if found else None


def _net(arm: ComparisonRow, found: Comparison) -> NetEffect:
    return {"model": arm["model"], "kind": arm["control"] or "", "level": found["level"], **found["mean"]}


def control_kinds(config: Configuration, models: Sequence[str]) -> dict[str, str]:
    """Those of `models` that are control arms by the configuration, with their kind."""
    return {name: kind for name in models if (kind := control_kind(config, name))}


def about_controls(rows: Sequence[ComparisonRow]) -> str:
    """A sentence on control arms: which there were, or that an effect without one proves little."""
    arms = list(dict.fromkeys(f"{row['model']} ({row['control']} reward)" for row in rows if row["control"]))
    if arms:
        return f"Control arms: {', '.join(arms)}. An effect net of the one that gained most stands beside the effect."
    return (
        "No control arm was run (a run with a random, inverted, constant or format-only reward): how much of an effect any training "
        "would give is not known."
    )


def claim(groups: Mapping[str, Sequence[str]]) -> str:
    """What may be said about algorithms from the runs at hand."""
    if not groups:
        return "No run has been evaluated; there is nothing to claim."
    several = [label(group, runs) for group, runs in groups.items() if len(runs) > 1]
    single = [runs[0] for runs in groups.values() if len(runs) == 1]
    if not several:
        return (
            "Each run has a single seed. The intervals speak about these trained checkpoints on problems like these; "
            "no claim between algorithms is made, because another seed may change the order."
        )
    said = f"Replicates over seeds: {', '.join(several)}. Intervals over seeds speak about the algorithm on these problems"
    said += ", intervals over problems about single checkpoints."
    if len(several) == 1:
        return f"{said} Nothing else has replicates, so that no claim between algorithms is made."
    return said + (f" With a single seed {', '.join(single)} enter no claim between algorithms." if single else "")
