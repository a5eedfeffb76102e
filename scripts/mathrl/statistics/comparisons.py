"""Two models on the same problems: effect, interval and p value, paired by problem, and what may be claimed from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mathrl.config.experiment import Configuration
from mathrl.config.reading import Raw
from mathrl.config.runs import stages
from mathrl.core.files import UserError
from mathrl.statistics.intervals import LEVEL, combine, difference, mean_difference, t_quantile

FLIPS = 20_000


Results = Mapping[str, Mapping[str, Any]]  # eval JSON by benchmark


def problem_scores(results: Sequence[Mapping[str, Any]], key: str = "correct") -> dict[str, tuple[float, int]]:
    """(score, samples) by problem id from the eval JSONs of one model, or of several (replicates), whose scores are averaged.

    `key` is a column of `per_problem`; it counts samples and is divided by `n` (greedy verdicts are taken where n is 0).
    Problems that one of them lacks are left out.
    """
    tables = []
    for result in results:
        columns = result["per_problem"]
        rows = zip(columns["id"], columns["n"], columns[key], columns["greedy"], strict=True)
        tables.append({i: (count / n if n else float(greedy or 0), n) for i, n, count, greedy in rows})
    shared = [i for i in tables[0] if all(i in table for table in tables)]
    return {i: (sum(table[i][0] for table in tables) / len(tables), sum(table[i][1] for table in tables)) for i in shared}


def paired_values(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], key: str = "correct"
) -> tuple[np.ndarray, np.ndarray, float]:
    """Per-problem scores of two models (see `problem_scores`) on the problems that both have, and the mean number of samples."""
    first, second = problem_scores(ours, key), problem_scores(theirs, key)
    shared = [i for i in first if i in second]
    values = np.array([first[i][0] for i in shared])
    others = np.array([second[i][0] for i in shared])
    sizes = [max(min(first[i][1], second[i][1]), 1) for i in shared]
    return values, others, float(np.mean(sizes)) if sizes else 1.0


def compare(ours: Sequence[Results], theirs: Sequence[Results], benchmarks: Sequence[str]) -> dict[str, Any] | None:
    """Paired comparison of two models under one protocol; replicates of a model are averaged problem by problem.

    Returns {"benchmarks": {name: {value, low, high, n}}, "mean": {value, low, high, n}, "p": float}, the mean being unweighted
    over benchmarks, or None unless all have every benchmark. `p` is a sign-flip permutation test of the mean: under
    the hypothesis of no difference the two models' scores on a problem may be swapped.
    """
    if not ours or not theirs or any(name not in results for results in (*ours, *theirs) for name in benchmarks):
        return None
    cells: dict[str, Any] = {}
    differences, sizes = [], []
    for name in benchmarks:
        values, others, size = paired_values([results[name] for results in ours], [results[name] for results in theirs])
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


def compare_seeds(ours: Sequence[Results], theirs: Sequence[Results], benchmarks: Sequence[str]) -> dict[str, Any]:
    """Comparison over seeds, in the form of `compare`; n is the number of runs on our side.

    One score a run and benchmark; Student's t over the runs against a single model (the base model, taken as it is), Welch's
    over both sides where there are replicates on both. Says what another seed would do, on these very problems.
    """

    from scipy.stats import ttest_1samp, ttest_ind

    def scores(side: Sequence[Results], names: Sequence[str]) -> np.ndarray:
        found = [[np.mean([score for score, _ in problem_scores([run[name]]).values()]) for name in names] for run in side]
        return np.mean(np.array(found), axis=1)

    def estimate(names: Sequence[str]) -> tuple[dict[str, Any], float]:
        first, second = scores(ours, names), scores(theirs, names)
        value = float(first.mean() - second.mean())
        if first.var() + second.var() <= 0:
            return {"value": value, "low": value, "high": value, "n": len(ours)}, 0.0 if value else 1.0
        test = ttest_ind(first, second, equal_var=False) if len(second) > 1 else ttest_1samp(first - second[0], 0.0)
        limits = test.confidence_interval(LEVEL)
        return {"value": value, "low": float(limits.low), "high": float(limits.high), "n": len(ours)}, float(test.pvalue)

    mean, p = estimate(benchmarks)
    return {"benchmarks": {name: estimate([name])[0] for name in benchmarks}, "mean": mean, "p": p}


def sign_flip_p(differences: np.ndarray, flips: int = FLIPS) -> float:
    """Two-sided p value of sum(differences) under random signs; the seed is fixed, so that equal data gives equal p.

    By hand: scipy's permutation_test gives the same p where every sign pattern is tried, but takes sixteen times as long for 20,000
    random ones (128 problems: 2.7 s instead of 0.17 s), and its smallest p is twice as large.
    """
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
    if not len(p_values):
        return []
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist()


def contamination_contrast(
    run: Mapping[str, Mapping[str, Any]], base: Mapping[str, Mapping[str, Any]], benchmarks: Sequence[str]
) -> dict[str, Any] | None:
    """(run − base on contaminated items) − (run − base on clean items): what contamination bought.

    Taken within each benchmark that has both kinds of items, so that neither contaminated items being easier nor one benchmark being
    easier than another enters; combined with weights contaminated × clean / (contaminated + clean). Returns {"contaminated", "clean",
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
        pairs = zip(columns["id"], columns["contaminated"], strict=True)
        flags = np.array([bool(removing & set(methods.split())) for i, methods in pairs if i in known])
        if not flags.any() or flags.all():
            continue
        used.append(name)
        values, before, samples = paired_values([run[name]], [base[name]])
        for flag in (True, False):
            estimates[flag].append(difference(values[flags == flag], before[flags == flag], samples))
            sizes[flag].append(int((flags == flag).sum()))
    if not used:
        return None
    weights = [t * c / (t + c) for t, c in zip(sizes[True], sizes[False], strict=True)]
    weights = [weight / sum(weights) for weight in weights]
    contaminated, clean = (combine(estimates[flag], weights) for flag in (True, False))
    counts = {"contaminated": sum(sizes[True]), "clean": sum(sizes[False])}
    parts = {"contaminated": contaminated, "clean": clean, "contrast": combine((contaminated, clean), (1.0, -1.0))}
    counts["contrast"] = counts["contaminated"] + counts["clean"]
    result = {name: dict(zip(("value", "low", "high"), part, strict=True)) | {"n": counts[name]} for name, part in parts.items()}
    return result | {"benchmarks": used}


def seed_interval(means: Sequence[float]) -> dict[str, Any] | None:
    """Mean over replicates (runs that differ in their seed alone) with Student's t interval; None for fewer than two."""
    if len(means) < 2:
        return None
    half = t_quantile(len(means) - 1.0) * float(np.std(means, ddof=1)) / len(means) ** 0.5
    mean = float(np.mean(means))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": len(means)}


def replicates(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
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
    """The runs among `models` by group; runs that differ in their seed alone are one, every other run is a group of its own."""
    merged = merged_runs(config)
    return replicates({name: merged[name] for name in models if name in merged})


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
    evals: Mapping[tuple[str, str, str], Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    protocol: str,
    benchmarks: Sequence[str],
    references: Sequence[str] = ("base", "grpo"),
) -> list[dict[str, Any]]:
    """Every group of runs against each reference: rows {model, runs, against, level, mean, benchmarks, p, p_adjusted}.

    One endpoint, the mean over the benchmarks under `protocol`; p values are adjusted over all rows together. Further models
    and checkpoints along training enter no comparison. `level` is `seeds` where replicates on our side meet the base model or
    other replicates, else `problems`.
    """

    def tables(runs: Sequence[str]) -> list[dict[str, Any]]:
        found = [{b: evals[run, protocol, b] for b in benchmarks if (run, protocol, b) in evals} for run in runs]
        return [table for table in found if len(table) == len(benchmarks)]

    rows = []
    for reference in references:
        names = {"base": ["base"]}.get(reference) or groups.get(reference, [])
        theirs = tables(names)
        for group, runs in groups.items():
            ours = tables(runs)
            if group == reference or not ours or not theirs:
                continue
            seeds = len(ours) > 1 and (reference == "base" or len(theirs) > 1)
            found = (compare_seeds if seeds else compare)(ours, theirs, benchmarks)
            if found:
                against = "base" if reference == "base" else label(reference, names)
                head = {"model": label(group, runs), "runs": list(runs), "against": against, "level": "seeds" if seeds else "problems"}
                rows.append(head | found)
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = adjusted
    return rows


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
