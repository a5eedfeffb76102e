"""Judges side by side: ours, Math-Verify and the contest's, on labelled answers or on the samples of a run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mathrl.checks.records import Accuracy
from mathrl.core.capped_calls import CappedCalls
from mathrl.core.files import UserError, read_jsonl
from mathrl.core.spread import spread
from mathrl.data.benchmarks import read_benchmark
from mathrl.evaluation.contest_judge import contest_grades
from mathrl.evaluation.records import AuditedBenchmark, Disagreement, JudgedAnswer
from mathrl.grading import grade
from mathrl.grading.judge import Question

MATH_VERIFY = "mathrl.checks.grader_math_verify:judge_response"
MATH_VERIFY_CAP = 10.0
"""Seconds of processor time that Math-Verify may take for one answer; then its worker ends and it counts as refusing."""
LISTED = 50
"""Rows that are listed for each pattern of verdicts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's verdict on one answer, with the seconds it took (0 where they are not measured)."""

    correct: bool
    status: str
    seconds: float
    extracted: str | None = None


def boxed(answer: str) -> str:
    """An answer as a response: as it is where it holds a box, else in one."""
    return answer if "boxed" in answer or "\\fbox" in answer else rf"\boxed{{{answer}}}"


def ours(questions: Sequence[Question], extraction: str = "strict", benchmark: str = "") -> list[Verdict]:
    """Our verdicts, one after the other in this thread, each with its processor time."""
    found = []
    for question in questions:
        started = time.thread_time()
        result = grade(*question, extraction=extraction, benchmark=benchmark)
        found.append(Verdict(result.correct, result.status, time.thread_time() - started, result.extracted))
    return found


def contest(questions: Sequence[Question], benchmark: str = "", workers: int = 1) -> list[Verdict]:
    """The contest judge's verdicts."""
    graded = contest_grades([(response, gold) for response, gold, *_ in questions], benchmark, workers)
    return [Verdict(result.correct, result.status, 0.0, result.extracted) for result in graded]


def math_verify(questions: Sequence[Question], workers: int = 1, delimit: bool = True) -> list[Verdict]:
    """Math-Verify's verdicts, in killable workers; the seconds are its own processor time.

    delimit: put golds without LaTeX delimiters between dollar signs, which is what Math-Verify reads best (0.90 against
    0.89 of the Odyssey answers); its own test cases are golds as they should be.
    """
    pairs = [(response, f"${gold}$" if delimit and "$" not in gold else gold) for response, gold, *_ in questions]
    calls = CappedCalls(MATH_VERIFY, MATH_VERIFY_CAP, preload=("math_verify",))
    try:
        replies = calls.map(pairs, workers)
    finally:
        calls.close()
    found = []
    for reply in replies:
        if "value" in reply:
            found.append(Verdict(reply["value"][0], "equal" if reply["value"][0] else "different", reply["value"][1]))
        else:
            found.append(Verdict(False, reply["lost"], MATH_VERIFY_CAP if reply["lost"] == "timeout" else 0.0))
    return found


def summarise(verdicts: Sequence[Verdict], labels: Sequence[bool]) -> Accuracy:
    """Agreement with labels, both kinds of error as counts and rates, statuses, and milliseconds per answer."""
    false_accepts = sum(v.correct and not label for v, label in zip(verdicts, labels, strict=True))
    false_rejects = sum(label and not v.correct for v, label in zip(verdicts, labels, strict=True))
    times = sorted(1_000 * verdict.seconds for verdict in verdicts)
    wrong = len(labels) - sum(labels)
    return {
        "accuracy": 1 - (false_accepts + false_rejects) / len(labels),
        "false_accepts": false_accepts,
        "false_accept_rate": false_accepts / wrong if wrong else 0.0,
        "false_rejects": false_rejects,
        "false_reject_rate": false_rejects / sum(labels) if sum(labels) else 0.0,
        "statuses": dict(sorted(Counter(verdict.status for verdict in verdicts).items())),
        "milliseconds": {
            "mean": sum(times) / len(times),
            "p50": times[len(times) // 2],
            "p99": times[min(len(times) - 1, int(0.99 * len(times)))],
            "max": times[-1],
        },
    }


def audit(samples: Path, benchmark: Path, name: str, limit: int, workers: int) -> AuditedBenchmark:
    """Verdicts of all three judges on at most `limit` samples of a benchmark, evenly spread over their file.

    Raises:
        UserError: there are no samples, or one is of another benchmark.
    """
    items = read_benchmark(benchmark)
    rows = list(read_jsonl(samples, required=("id", "response")))
    if not rows:
        raise UserError(f"{samples}: holds no samples")
    rows = [rows[place] for place in spread(len(rows), limit)]
    unknown = next((row["id"] for row in rows if str(row["id"]) not in items), None)
    if unknown is not None:
        raise UserError(f"{samples}: id '{unknown}' is not in {benchmark}; are they of the same benchmark?")
    asked = [items[str(row["id"])] for row in rows]
    questions = [(row["response"], item["answer"], item["problem"]) for row, item in zip(rows, asked, strict=True)]
    judges: dict[str, Sequence[Verdict]] = {
        "ours": ours(questions, benchmark=name),
        "math_verify": math_verify(questions, workers),
        "contest": contest(questions, name, workers),
    }
    described: list[JudgedAnswer] = [
        {"id": row["id"], "sample": row.get("sample", 0), "answer": item["answer"]} for row, item in zip(rows, asked, strict=True)
    ]
    patterns, listed = disagreements(described, judges)
    accepted = {judge: sum(verdict.correct for verdict in verdicts) for judge, verdicts in judges.items()}
    return {"samples": len(rows), "accepted": accepted, "patterns": patterns, "disagreements": listed}


def disagreements(rows: Iterable[JudgedAnswer], judges: dict[str, Sequence[Verdict]]) -> tuple[dict[str, int], list[Disagreement]]:
    """(how often each pattern of verdicts occurs, up to `LISTED` rows per pattern on which the judges differ).

    rows: dicts that identify the answers (id, sample, answer …), in the order of the verdicts. A pattern reads
    "contest=1 math_verify=0 ours=1".
    """
    names = sorted(judges)
    counts: Counter[str] = Counter()
    listed: list[Disagreement] = []
    for index, row in enumerate(rows):
        verdicts = {name: judges[name][index] for name in names}
        pattern = " ".join(f"{name}={int(verdicts[name].correct)}" for name in names)
        counts[pattern] += 1
        if len({verdict.correct for verdict in verdicts.values()}) > 1 and counts[pattern] <= LISTED:
            extracted = {name: verdict.extracted for name, verdict in verdicts.items() if verdict.extracted is not None}
            listed.append(
                {
                    **row,
                    "pattern": pattern,
                    "extracted": {name: text[:300] for name, text in extracted.items()},
                    "statuses": {name: verdict.status for name, verdict in verdicts.items()},
                }
            )
    return dict(sorted(counts.items())), listed
