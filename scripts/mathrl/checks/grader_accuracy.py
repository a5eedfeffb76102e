"""Labelled sets, how each is put to a judge, and the measurements of scripts/measure_grader.py."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mathrl.checks import grader_audit
from mathrl.checks.records import Accuracy, AccuracyOnSet, BothJudges, Cases, LabelledError, Refused, WrongCase
from mathrl.core.files import UserError, read_jsonl
from mathrl.grading import extract_boxed, grade_many
from mathrl.grading.judge import clear_caches
from mathrl.grading.numbers import is_rounded
from mathrl.grading.readings import readings

PROSE_TESTS = ("extraction",)
"""Test functions of Math-Verify and lighteval whose names hold one of these test extraction from prose: left out of "kept"."""
STEP = 1_584
"""Completions of one training step of the finalist's: 264 prompts × 6."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One labelled file: questions (response, gold, problem or None), labels, and which rows count for the goal."""

    name: str
    path: Path
    questions: list[grader_audit.Question]
    labels: list[bool]
    kept: list[bool]
    generations: bool
    extraction: str
    delimit: bool = True


def _verifier(name: str, path: Path) -> LabelledSet:
    rows = list(read_jsonl(path, required=("gold", "pred", "equal")))
    kept = [not any(word in row.get("note", "").split("::")[-1] for word in PROSE_TESTS) for row in rows]
    pairs: list[grader_audit.Question] = [(grader_audit.boxed(row["pred"]), row["gold"], row.get("problem")) for row in rows]
    return LabelledSet(name, path, pairs, [bool(row["equal"]) for row in rows], kept, False, "strict", delimit=all(kept))


def _generations(name: str, path: Path) -> LabelledSet:
    rows = list(read_jsonl(path, required=("response", "gold", "pred", "correct")))
    contest = any(row.get("scorer") == "OpenSeek qwen_eval" for row in rows)
    pairs: list[grader_audit.Question] = []
    for row in rows:
        response = row["response"]
        if extract_boxed(response) is None and not contest:
            response = rf"{response} \boxed{{{row['pred']}}}"
        pairs.append((response, str(row["gold"]), row.get("problem")))
    labels = [bool(row["correct"]) for row in rows]
    return LabelledSet(name, path, pairs, labels, [True] * len(rows), True, "lenient" if contest else "strict")


def find_sets(verifier: Path, generations: Path) -> list[LabelledSet]:
    """All labelled files of the two folders. Answers without a box are put into one; the contest's outputs stay as they are."""
    found = []
    for folder, load in ((verifier, _verifier), (generations, _generations)):
        paths = sorted(path for path in folder.glob("*.jsonl*") if path.name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")))
        if not paths:
            raise UserError(f"{folder}: holds no .jsonl or .jsonl.gz file")
        found += [load(path.name.split(".jsonl")[0], path) for path in paths]
    return found


def measure(item: LabelledSet, workers: int) -> AccuracyOnSet:
    """Ours and Math-Verify on one set: all rows, the kept rows, and the rows where either errs."""
    clear_caches()
    mine = grader_audit.ours(item.questions, item.extraction)
    theirs = grader_audit.math_verify(item.questions, workers, delimit=item.delimit)
    kept = [index for index, keep in enumerate(item.kept) if keep]

    def part(verdicts: Sequence[grader_audit.Verdict], indices: Sequence[int]) -> Accuracy:
        return grader_audit.summarise([verdicts[i] for i in indices], [item.labels[i] for i in indices])

    errors: list[LabelledError] = [
        {
            "line": index + 1,
            "gold": gold[-200:],
            "extracted": (mine[index].extracted or "")[-200:],
            "label": item.labels[index],
            "ours": mine[index].correct,
            "math_verify": theirs[index].correct,
            "kept": item.kept[index],
        }
        for index, (_, gold, *_) in enumerate(item.questions)
        if item.labels[index] != mine[index].correct
    ]
    return {
        "rows": len(item.questions),
        "ours": part(mine, range(len(item.questions))),
        "math_verify": part(theirs, range(len(item.questions))),
        "kept": {"rows": len(kept), "ours": part(mine, kept), "math_verify": part(theirs, kept)}
        if len(kept) < len(item.questions)
        else None,
        "errors": errors,
        "false_accepts_of_ours_alone": [row for row in errors if row["ours"] and not row["math_verify"]],
    }


def rounding(sets: Sequence[LabelledSet]) -> list[Refused]:
    """The labelled verdicts that would change if the golds were known to be rounded, as minerva_math's are."""
    changed: list[Refused] = []
    for item in sets:
        without = grader_audit.ours(item.questions, item.extraction)
        rounded = grader_audit.ours(item.questions, item.extraction, benchmark="minerva_math")
        changed += [
            {"set": item.name, "line": line, "gold": gold[-100:], "extracted": (a.extracted or "")[-100:], "label": label}
            for line, ((_, gold, *_), a, b, label) in enumerate(zip(item.questions, rounded, without, item.labels, strict=True), 1)
            if a.correct != b.correct
        ]
    return changed


def rounded_golds(folder: Path) -> dict[str, list[int]]:
    """[golds that are decimals and may be rounded, golds] of each benchmark file of a folder."""
    found = {}
    for path in sorted(folder.glob("*.jsonl*")):
        answers = [readings(str(row["answer"]))[:1] for row in read_jsonl(path, required=("answer",))]
        found[path.name.split(".jsonl")[0]] = [sum(any(map(is_rounded, nodes)) for nodes in answers), len(answers)]
    return found


def copied(sets: Sequence[LabelledSet]) -> list[Refused]:
    """The answers labelled right that are refused only because they stand in the problem: the cost of the rule."""
    found: list[Refused] = []
    for item in sets:
        for line, (question, label) in enumerate(zip(item.questions, item.labels, strict=True), 1):
            if label and question[2:] and grade_many([question], extraction=item.extraction)[0].status == "copied":
                found.append({"set": item.name, "line": line, "gold": question[1][-100:]})
    return found


def speed(sets: Sequence[LabelledSet]) -> dict[str, float]:
    """Seconds for one step of the report (1,584 completions), cold, in one thread."""
    questions = [question for group in zip(*(item.questions for item in sets), strict=False) for question in group][:STEP]
    clear_caches()
    started = time.perf_counter()
    grade_many(questions)
    return {f"{len(questions)} completions, s": time.perf_counter() - started}


def cases(path: Path) -> Cases:
    """Our verdicts on a file of cases (`kind`, `pred` or `response`, `gold`, `right`, perhaps `problem`): by kind, and the wrong ones."""
    kinds: dict[str, list[int]] = {}
    wrong: list[WrongCase] = []
    for row in read_jsonl(path, required=("kind", "gold", "right")):
        response = row["response"] if row.get("response") is not None else rf"\boxed{{{row['pred']}}}"
        [verdict] = grade_many([(response, str(row["gold"]), row.get("problem"))])
        count = kinds.setdefault(row["kind"], [0, 0])
        count[0] += verdict.correct == bool(row["right"])
        count[1] += 1
        if verdict.correct != bool(row["right"]):
            wrong.append({"kind": row["kind"], "response": response, "gold": row["gold"], "right": row["right"], "status": verdict.status})
    rows = sum(total for _, total in kinds.values())
    accepts = sum(not row["right"] for row in wrong)
    return {"rows": rows, "accuracy": 1 - len(wrong) / rows, "false_accepts": accepts, "kinds": kinds, "wrong": wrong}


def table(results: Mapping[str, AccuracyOnSet]) -> list[str]:
    """The results as a Markdown table: a line a set, the kept rows on a line of their own."""
    heads = ["set", "rows", "accuracy: ours", "Math-Verify", "false accepts: ours", "Math-Verify", "false rejects: ours", "Math-Verify"]
    heads += ["ms: ours mean", "p99", "Math-Verify mean", "ratio"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, result in results.items():
        parts: list[tuple[str, BothJudges]] = [(name, result)]
        if result["kept"]:
            parts.append((f"{name}, kept", result["kept"]))
        for label, part in parts:
            mine, theirs = part["ours"], part["math_verify"]
            ratio = theirs["milliseconds"]["mean"] / mine["milliseconds"]["mean"]
            cells = [label, str(part["rows"]), f"{mine['accuracy']:.4f}", f"{theirs['accuracy']:.4f}"]
            cells += [
                str(count) for count in (mine["false_accepts"], theirs["false_accepts"], mine["false_rejects"], theirs["false_rejects"])
            ]
            cells += [f"{mine['milliseconds'][key]:.3f}" for key in ("mean", "p99")]
            cells += [f"{theirs['milliseconds']['mean']:.2f}", f"{ratio:.0f}×"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
