"""Labelled sets, how each is put to a judge, and the measurements of scripts/measure_grader.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathrl.checks import grader_audit
from mathrl.core.files import UserError, read_jsonl
from mathrl.grading import compare, judge, parse
from mathrl.grading.extract import extract_boxed
from mathrl.grading.pool import Pool

PROSE_TESTS = ("extraction",)
"""Test functions of Math-Verify and lighteval whose names hold one of these test extraction from prose: left out of "kept"."""
STEP = 1_584
"""Completions of one training step of the finalist's: 264 prompts × 6."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One labelled file: pairs (response, gold), labels, and which rows count for the goal."""

    name: str
    path: Path
    pairs: list[tuple[str, str]]
    labels: list[bool]
    kept: list[bool]
    generations: bool
    extraction: str
    delimit: bool = True


def _verifier(name: str, path: Path) -> LabelledSet:
    rows = list(read_jsonl(path, required=("gold", "pred", "equal")))
    kept = [not any(word in row.get("note", "").split("::")[-1] for word in PROSE_TESTS) for row in rows]
    pairs = [(grader_audit.boxed(row["pred"]), row["gold"]) for row in rows]
    return LabelledSet(name, path, pairs, [bool(row["equal"]) for row in rows], kept, False, "strict", delimit=all(kept))


def _generations(name: str, path: Path) -> LabelledSet:
    rows = list(read_jsonl(path, required=("response", "gold", "pred", "correct")))
    contest = any(row.get("scorer") == "OpenSeek qwen_eval" for row in rows)
    pairs = []
    for row in rows:
        response = row["response"]
        if extract_boxed(response) is None and not contest:
            response = rf"{response} \boxed{{{row['pred']}}}"
        pairs.append((response, str(row["gold"])))
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


def clear_caches() -> None:
    """Forget earlier verdicts, so that a timing starts cold."""
    for cached in (parse._readings_cached, judge._decide_cached):
        cached.cache_clear()
    judge._algebra_seen.clear()


def measure(item: LabelledSet, workers: int) -> dict[str, Any]:
    """Ours and Math-Verify on one set: all rows, the kept rows, and the rows where either errs."""
    judge.pool_for(judge.ALGEBRA).warm()
    clear_caches()
    mine = grader_audit.ours(item.pairs, item.extraction)
    theirs = grader_audit.math_verify(item.pairs, workers, delimit=item.delimit)
    kept = [index for index, keep in enumerate(item.kept) if keep]

    def part(verdicts: Sequence[grader_audit.Verdict], indices: Sequence[int]) -> dict[str, Any]:
        return grader_audit.summarise([verdicts[i] for i in indices], [item.labels[i] for i in indices])

    errors = [
        {
            "line": index + 1,
            "gold": gold[-200:],
            "extracted": (mine[index].extracted or "")[-200:],
            "label": item.labels[index],
            "ours": mine[index].correct,
            "math_verify": theirs[index].correct,
            "kept": item.kept[index],
        }
        for index, (_, gold) in enumerate(item.pairs)
        if item.labels[index] != mine[index].correct
    ]
    return {
        "rows": len(item.pairs),
        "ours": part(mine, range(len(item.pairs))),
        "math_verify": part(theirs, range(len(item.pairs))),
        "kept": {"rows": len(kept), "ours": part(mine, kept), "math_verify": part(theirs, kept)} if len(kept) < len(item.pairs) else None,
        "errors": errors,
        "false_accepts_of_ours_alone": [row for row in errors if row["ours"] and not row["math_verify"]],
    }


def rounding(sets: Sequence[LabelledSet]) -> list[dict[str, Any]]:
    """The labelled verdicts that the two rounding rules change (docs/reference/grading.md): accepted with them, refused without."""
    changed = []
    for item in sets:
        mine = grader_audit.ours(item.pairs, item.extraction)
        clear_caches()
        compare.ROUNDING_RULES = False
        try:
            without = grader_audit.ours(item.pairs, item.extraction)
        finally:
            compare.ROUNDING_RULES = True
            clear_caches()
        changed += [
            {"set": item.name, "line": line, "gold": gold[-100:], "extracted": (a.extracted or "")[-100:], "label": label}
            for line, ((_, gold), a, b, label) in enumerate(zip(item.pairs, mine, without, item.labels, strict=True), 1)
            if a.correct != b.correct
        ]
    return changed


def rounded_golds(folder: Path) -> dict[str, list[int]]:
    """[golds to which the rounding rule applies, golds] of each benchmark file of a folder."""
    found = {}
    for path in sorted(folder.glob("*.jsonl*")):
        answers = [str(row["answer"]) for row in read_jsonl(path, required=("answer",))]
        found[path.name.split(".jsonl")[0]] = [sum(map(compare.is_rounded, answers)), len(answers)]
    return found


def speed(sets: Sequence[LabelledSet]) -> dict[str, float]:
    """Seconds: cold start of a pool of two, and one step of the report (1,584 completions) with two warm workers."""
    pairs = [pair for group in zip(*(item.pairs for item in sets), strict=False) for pair in group][:STEP]
    pool = Pool(judge.ALGEBRA, 2)
    started = time.perf_counter()
    pool.warm()
    cold = time.perf_counter() - started
    pool.close()
    if not pairs:
        return {"cold start of two workers, s": cold}
    judge.pool_for(judge.ALGEBRA, 2).warm()
    clear_caches()
    started = time.perf_counter()
    judge.grade_many(pairs, workers=2)
    return {"cold start of two workers, s": cold, f"{len(pairs)} completions, two warm workers, s": time.perf_counter() - started}


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """The results as a Markdown table: a line a set, the kept rows on a line of their own."""
    heads = ("set", "rows", "accuracy: ours", "Math-Verify", "false accepts: ours", "Math-Verify", "false rejects: ours", "Math-Verify")
    heads += ("ms: ours mean", "p99", "Math-Verify mean", "ratio")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, result in results.items():
        parts = [(name, result["rows"], result)]
        if result["kept"]:
            parts.append((f"{name}, kept", result["kept"]["rows"], result["kept"]))
        for label, rows, part in parts:
            mine, theirs = part["ours"], part["math_verify"]
            ratio = theirs["milliseconds"]["mean"] / mine["milliseconds"]["mean"]
            cells = [label, str(rows), f"{mine['accuracy']:.4f}", f"{theirs['accuracy']:.4f}"]
            cells += [str(part[who][kind]) for kind in ("false_accepts", "false_rejects") for who in ("ours", "math_verify")]
            cells += [f"{mine['milliseconds'][key]:.3f}" for key in ("mean", "p99")]
            cells += [f"{theirs['milliseconds']['mean']:.2f}", f"{ratio:.0f}×"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
