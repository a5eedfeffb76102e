"""A study's numbers made again from raw samples and golds by other code: NumPy and SciPy alone, nothing of the library.

The demo's golds are whole numbers, so a response is right if its last box (the outer one of two) holds the number, or leniently, without a
box, if the number alone follows on its last "answer is", or is its last number where it says no "answer is" or opens a box after it.
"""

import json
import math
import re

import numpy as np
from scipy.special import betaincinv
from scipy.stats import t

ANNOUNCED = re.compile(r".*answer is(?!.*\\boxed)(?: *(-?\d+(?:\.\d+)?)[}.]*(?:$|(?<=\.) [A-Z]))?", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LEVEL = 0.975


def verdicts(samples, golds):
    """{item: {"greedy": (strict, lenient) or None, "sampled": [(strict, lenient, boxed, answer, tokens)]}} in the golds' order."""
    found = {item: {"greedy": None, "sampled": []} for item in golds}
    for row in samples:
        boxes, numbers = outer_boxes(row["response"]), NUMBER.findall(row["response"])
        if announced := ANNOUNCED.match(row["response"]):
            numbers = [announced[1] or ""]
        strict = bool(boxes) and same(boxes[-1], golds[row["id"]])
        lenient = strict if boxes else bool(numbers) and same(numbers[-1], golds[row["id"]])
        if row["sample"] < 0:
            found[row["id"]]["greedy"] = (strict, lenient)
        else:
            found[row["id"]]["sampled"].append((strict, lenient, bool(boxes), boxes[-1].strip() if boxes else None, row["tokens"]))
    return found


def outer_boxes(text):
    """What stands in each box that is closed and in no other box."""
    found, start = [], 0
    while (start := text.find("\\boxed{", start)) >= 0:
        depth, end = 1, start + 7
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if depth:
            start += 7
        else:
            found.append(text[start + 7 : end - 1])
            start = end
    return found


def same(answer, gold):
    try:
        return float(answer) == float(gold)
    except ValueError:
        return answer.strip() == gold.strip()


def share(values, samples):
    """(value, low, high) of a mean of one value per problem: Wilson for the effective size, opened at the edges."""
    values, n = np.asarray(values, float), len(values)
    mean = values.mean()
    if samples <= 1:
        return (mean, *opened(mean, n, t.ppf(LEVEL, 1e9)))
    informative = min((values > 0).sum(), (values < 1).sum())
    alike = 0.4
    if informative:
        own = np.clip((values.var(ddof=1) / (mean * (1 - mean)) - 1 / samples) / (1 - 1 / samples), 0, 1)
        alike = (informative * own + 0.5 * 0.6) / (informative + 0.5)
    freedom = min(n - 1, informative * (1 + 2 * max(0, 1 - alike / 0.2)) + 4)
    return (mean, *opened(mean, n / (alike + (1 - alike) / samples), t.ppf(LEVEL, round(float(freedom), 1))))


def opened(mean, size, quantile):
    middle = (mean + quantile**2 / 2 / size) / (1 + quantile**2 / size)
    half = quantile / (1 + quantile**2 / size) * math.sqrt(mean * (1 - mean) / size + quantile**2 / 4 / size**2)
    low = 0 if mean == 0 else max(0, min(middle - half, mean, betaincinv(mean * size, size - mean * size + 1, 0.04)))
    high = 1 if mean == 1 else min(1, max(middle + half, mean, 1 - betaincinv((1 - mean) * size, size * mean + 1, 0.04)))
    return low, high


def pseudo(values, samples):
    values = np.asarray(values, float)
    informative, mean = min((values > 0).sum(), (values < 1).sum()), values.mean()
    alike = 1.0
    if samples > 1:
        alike = 0.4
        if informative:
            own = np.clip((values.var(ddof=1) / (mean * (1 - mean)) - 1 / samples) / (1 - 1 / samples), 0, 1)
            alike = (informative * own + 0.3) / (informative + 0.5)
    return 0.4 * (alike + (1 - alike) / samples)


def variances(gains, weights, samples, shared=True):
    """Variance of each weighted mean difference, with one pair of pseudo-problems for all of them together or one for each."""
    n, weights = np.array([len(part) for part in gains]), np.asarray(weights)
    unit = weights**2 / (n + 1) / (n + 2)
    pairs = unit / unit.sum() if shared else np.ones(len(unit))
    found = []
    for part, one, pair in zip(gains, unit, pairs, strict=True):
        off = part - np.rint(part.mean())
        typical = ((off**2).sum() + 4 * (0.4 + 0.6 / samples)) / ((off != 0).sum() + 4)
        found.append(one * (((part - part.mean()) ** 2).sum() + 2 * pair * typical))
    return np.array(found)


def student(gains, weights, samples, shared=True):
    """(value, low, high, smallest) of a weighted sum of independent mean differences over problems."""
    value = sum(weight * part.mean() for part, weight in zip(gains, weights, strict=True))
    return welch(value, variances(gains, weights, samples, shared), np.array([len(part) for part in gains]) + 1)


def welch(value, variances, freedoms):
    freedom = round(variances.sum() ** 2 / (variances**2 / freedoms).sum(), 1)
    error = math.sqrt(variances.sum())
    half = t.ppf(LEVEL, freedom) * error
    return value, value - half, value + half, (t.ppf(LEVEL, freedom) + t.ppf(0.8, freedom)) * error


def mean(parts, samples):
    """(value, low, high) of the unweighted mean over benchmarks, one array of values per benchmark."""
    parts = [np.asarray(part, float) for part in parts]
    n = np.array([len(part) for part in parts])
    unit = 1 / n / (n - 1) / len(parts) ** 2
    added = np.array([pseudo(part, samples) for part in parts]) * (1 + 2 * (unit / unit.sum()) ** 4)
    spread = np.array([((part - part.mean()) ** 2).sum() for part in parts])
    value, low, high, _ = welch(sum(part.mean() for part in parts) / len(parts), unit * (spread + added), n - 1)
    if value in (0, 1):
        together = share(np.concatenate(parts), samples)
        low, high = min(low, together[1]), max(high, together[2])
    return value, max(0, low), min(1, high)


def majority(sampled):
    """Share of the one point that the answers that most samples give get right; a sample without an answer does not vote."""
    votes = {}
    for strict, _, _, answer, _ in sampled:
        if answer is not None:
            key = float(answer) if NUMBER.fullmatch(answer) else answer
            votes.setdefault(key, [0, strict])[0] += 1
    most = max((count for count, _ in votes.values()), default=0)
    largest = [right for count, right in votes.values() if count == most]
    return sum(largest) / len(largest) if largest else 0.0


def read_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]
