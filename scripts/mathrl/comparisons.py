"""Two models on the same problems: effect, interval and p value, paired by problem, and what may be claimed from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .config import stage_config, stages
from .intervals import _t_quantile, combine, difference, mean_difference

FLIPS = 20_000


def paired_values(ours: Mapping[str, Any], theirs: Mapping[str, Any], key: str = "correct") -> tuple[np.ndarray, np.ndarray, float]:
    """Per-problem scores of two eval JSONs on the problems that both have, in one order, and the mean number of samples.

    `key` is a column of `per_problem`; it counts samples and is divided by `n` (greedy verdicts are taken where n is 0).
    """
    tables = []
    for result in (ours, theirs):
        columns = result["per_problem"]
        rows = zip(columns["id"], columns["n"], columns[key], columns["greedy"], strict=True)
        tables.append({i: (count / n if n else float(greedy or 0), n) for i, n, count, greedy in rows})
    shared = [i for i in tables[0] if i in tables[1]]
    values = np.array([tables[0][i][0] for i in shared])
    others = np.array([tables[1][i][0] for i in shared])
    sizes = [max(min(tables[0][i][1], tables[1][i][1]), 1) for i in shared]
    return values, others, float(np.mean(sizes)) if sizes else 1.0


def compare(
    ours: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, Any]], benchmarks: Sequence[str]
) -> dict[str, Any] | None:
    """Paired comparison of two models under one protocol; arguments map a benchmark to its eval JSON.

    Returns {"benchmarks": {name: {value, low, high, n}}, "mean": {value, low, high, n}, "p": float}, the mean being unweighted
    over benchmarks, or None unless both models have every benchmark. `p` is a sign-flip permutation test of the mean: under
    the hypothesis of no difference the two models' scores on a problem may be swapped.
    """
    if any(name not in ours or name not in theirs for name in benchmarks):
        return None
    cells: dict[str, Any] = {}
    differences, sizes = [], []
    for name in benchmarks:
        values, others, size = paired_values(ours[name], theirs[name])
        if not len(values):
            return None
        estimate = difference(values, others, size)
        cells[name] = dict(zip(("value", "low", "high"), estimate, strict=True)) | {"n": len(values)}
        differences.append(values - others)
        sizes.append(size)
    value, low, high = mean_difference(differences, sizes)
    shares = [part / (len(part) * len(benchmarks)) for part in differences]
    mean = {"value": value, "low": low, "high": high, "n": sum(cell["n"] for cell in cells.values())}
    return {"benchmarks": cells, "mean": mean, "p": sign_flip_p(np.concatenate(shares))}


def sign_flip_p(differences: np.ndarray, flips: int = FLIPS) -> float:
    """Two-sided p value of sum(differences) under random signs; the seed is fixed, so that equal data gives equal p."""
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    observed = abs(float(differences.sum())) - 1e-12
    if len(differences) <= 14:  # every sign pattern
        signs = ((np.arange(2 ** len(differences))[:, None] >> np.arange(len(differences))) & 1) * 2.0 - 1.0
        return float(np.mean(np.abs(signs @ differences) >= observed))
    generator = np.random.default_rng(0)
    more = 0
    for _ in range(0, flips, 2000):
        bits = generator.integers(0, 2, size=(2000, len(differences)), dtype=np.int8)
        more += int(np.sum(np.abs((bits * 2.0 - 1.0) @ differences) >= observed))
    return (more + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for making several comparisons (Holm 1979), in the given order."""
    order = np.argsort(p_values, kind="stable")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def contamination_contrast(
    run: Mapping[str, Mapping[str, Any]], base: Mapping[str, Mapping[str, Any]], benchmarks: Sequence[str]
) -> dict[str, Any] | None:
    """(run − base on touched items) − (run − base on clean items): what contamination bought.

    Taken within each benchmark that has both kinds of items, so that neither touched items being easier nor one benchmark being
    easier than another enters; combined with weights touched × clean / (touched + clean). Returns {"touched", "clean",
    "contrast"}, each {value, low, high, n}, and "benchmarks", the names used; None where no benchmark has both kinds.
    """
    estimates: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    sizes: dict[bool, list[int]] = {True: [], False: []}
    used = []
    for name in benchmarks:
        if name not in run or name not in base or not run[name]["clean_subset"].get("available"):
            continue
        removing = set(run[name]["clean_subset"]["removing"])
        columns = run[name]["per_problem"]
        known = set(base[name]["per_problem"]["id"])
        pairs = zip(columns["id"], columns["touched"], strict=True)
        flags = np.array([bool(removing & set(methods.split())) for i, methods in pairs if i in known])
        if not flags.any() or flags.all():
            continue
        used.append(name)
        values, before, samples = paired_values(run[name], base[name])
        for flag in (True, False):
            estimates[flag].append(difference(values[flags == flag], before[flags == flag], samples))
            sizes[flag].append(int((flags == flag).sum()))
    if not used:
        return None
    weights = [t * c / (t + c) for t, c in zip(sizes[True], sizes[False], strict=True)]
    weights = [weight / sum(weights) for weight in weights]
    touched, clean = (combine(estimates[flag], weights) for flag in (True, False))
    counts = {"touched": sum(sizes[True]), "clean": sum(sizes[False])}
    parts = {"touched": touched, "clean": clean, "contrast": combine((touched, clean), (1.0, -1.0))}
    counts["contrast"] = counts["touched"] + counts["clean"]
    result = {name: dict(zip(("value", "low", "high"), part, strict=True)) | {"n": counts[name]} for name, part in parts.items()}
    return result | {"benchmarks": used}


def seed_interval(means: Sequence[float]) -> dict[str, Any] | None:
    """Mean over replicates (runs that differ in their seed alone) with Student's t interval; None for fewer than two."""
    if len(means) < 2:
        return None
    half = _t_quantile(len(means) - 1.0) * float(np.std(means, ddof=1)) / len(means) ** 0.5
    mean = float(np.mean(means))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": len(means)}


def replicates(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Runs grouped by their settings without the seed: first name of the group → all its names."""
    groups: dict[str, list[str]] = {}
    for name, settings in runs.items():
        key = repr(sorted((k, repr(v)) for k, v in settings.items() if k != "seed"))
        groups.setdefault(key, []).append(name)
    return {names[0]: names for names in groups.values()}


def compare_all(
    evals: Mapping[tuple[str, str, str], Mapping[str, Any]],
    models: Sequence[str],
    protocol: str,
    benchmarks: Sequence[str],
    references: Sequence[str] = ("base", "grpo"),
) -> list[dict[str, Any]]:
    """Every model against each reference that was evaluated: rows {model, against, mean, benchmarks, p, p_adjusted}.

    One endpoint, the mean over the benchmarks under `protocol`; p values are adjusted over all rows together.
    """
    tables = {model: {b: evals[model, protocol, b] for b in benchmarks if (model, protocol, b) in evals} for model in models}
    rows = []
    for reference in references:
        for model in models:
            if reference in tables and model not in (reference, "base"):
                found = compare(tables[model], tables[reference], benchmarks)
                if found:
                    rows.append({"model": model, "against": reference} | found)
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = adjusted
    return rows


def merged_runs(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Training settings of each run: those of its last stage, and what earlier stages set otherwise, as text."""
    merged = {}
    for run in config.get("runs", {}):
        names = stages(config, run)
        merged[run] = stage_config(config, run, names[-1])
        if len(names) > 1:
            merged[run]["stages"] = json.dumps([stage_config(config, run, name) for name in names[:-1]], sort_keys=True)
    return merged


def claim(models: Sequence[str], groups: Sequence[Sequence[str]]) -> str:
    """What may be said from the runs at hand; `groups` are replicates (see `seed_groups`)."""
    if not [model for model in models if model != "base" and "@" not in model]:
        return "No run has been evaluated; there is nothing to claim."
    if groups:
        names = "; ".join(", ".join(group) for group in groups)
        return (
            f"Replicates over seeds: {names}. Intervals over seeds speak about the algorithm, "
            "intervals over problems about these checkpoints."
        )
    return (
        "Each run has a single seed. The intervals speak about these trained checkpoints on problems like these; "
        "no claim between algorithms is made, because another seed may change the order."
    )


def seed_groups(config: Mapping[str, Any], models: Sequence[str]) -> list[list[str]]:
    """Groups of at least two evaluated runs that differ in their seed alone."""
    shown = {name: settings for name, settings in merged_runs(config).items() if name in models}
    return [names for names in replicates(shown).values() if len(names) > 1]
