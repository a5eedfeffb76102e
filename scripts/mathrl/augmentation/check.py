"""From answers to checked proposals, without a network: the doors form, answer holds and new. The same answers give the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mathrl.augmentation import form, novelty, votes
from mathrl.augmentation.records import Proposal, Source
from mathrl.augmentation.requests import prompt_hash
from mathrl.augmentation.work import Plan
from mathrl.core.files import sha256_text
from mathrl.data.problems import problem_id
from mathrl.models.chat import Answer

if TYPE_CHECKING:
    import polars as pl

DOORS = ("form", "answer holds", "new", "useful", "decontamination", "siblings")
EXCERPT = 1000  # characters of an answer that has no form


def columns() -> dict[str, object]:
    """The table of proposals: what each is, where it comes from, and which door stopped it (`door` and `why`; null: none yet)."""
    import polars as pl

    text, number = pl.String, pl.Int64
    return {
        "id": text, "problem": text, "answer": text, "solution": text, "source_id": text, "entry": text, "kind": text, "model": text,
        "served_by": text, "prompt_sha256": text, "request_sha256": text, "votes": number, "solutions": number, "door": text, "why": text,
    }  # fmt: skip


def proposals(name: str, plan: Plan, sources: Sequence[Source], answers: Mapping[str, Answer], known: pl.DataFrame) -> pl.DataFrame:
    """Every proposal of the entry `name`, in the order of its sources.

    `known`: all problems of the data, columns `id` and `problem`. A request that the budget did not reach is no proposal.
    """
    import polars as pl

    rows = [
        _proposal(name, plan, source, request.key, answers)
        for source in sources
        for request in plan.proposals(source)
        if request.key in answers
    ]
    passed = [row for row in rows if row["door"] is None]
    ids = [row["id"] for row in passed]
    if plan.entry.kind == "solutions":
        stopped = _by_place(passed, novelty.solutions, [row["solution"] or "" for row in passed], [row["source_id"] for row in passed])
    else:
        of = {source["id"]: source["problem"] for source in sources}
        twice = _repeated(ids)
        once = [row for place, row in enumerate(passed) if place not in twice]
        why = novelty.problems([row["id"] for row in once], [row["problem"] for row in once], of, known)
        stopped = {id(row): why[row["id"]] for row in once if row["id"] in why}
        stopped |= {id(passed[place]): f"nearly another proposal: {passed[place]['id']}" for place in twice}
    for row in passed:
        if id(row) in stopped:
            row |= {"door": "new", "why": stopped[id(row)]}
    return pl.DataFrame(rows, schema=columns())


def _by_place(passed: list[Proposal], check: Any, *columns: list[str]) -> dict[int, str]:
    places = [str(place) for place in range(len(passed))]
    return {id(passed[int(place)]): why for place, why in check(places, *columns).items()}


def _repeated(ids: Sequence[str]) -> set[int]:
    """Places of ids that came before."""
    seen: set[str] = set()
    found = set()
    for place, name in enumerate(ids):
        if name in seen:
            found.add(place)
        seen.add(name)
    return found


def _proposal(name: str, plan: Plan, source: Source, key: str, answers: Mapping[str, Answer]) -> Proposal:
    """One proposal with the verdict of the first two doors."""
    answer, kind = answers[key], plan.entry.kind
    row: Proposal = {
        "id": key[:16], "problem": answer.text[:EXCERPT], "answer": "", "solution": None, "source_id": source["id"], "entry": name,
        "kind": kind, "model": plan.entry.model, "served_by": answer.served_by, "prompt_sha256": prompt_hash(plan.prompt),
        "request_sha256": key, "votes": None, "solutions": None, "door": None, "why": None,
    }  # fmt: skip
    try:
        candidate = form.read(answer, kind, source["problem"])
    except form.NoForm as error:
        return {**row, "door": "form", "why": str(error)}
    row |= {"problem": candidate.problem, "answer": candidate.answer, "solution": candidate.solution}
    row["id"] = sha256_text(f"{candidate.problem}\0{candidate.solution}")[:16] if candidate.solution else problem_id(candidate.problem)
    verdict = votes.stated_answer(kind, candidate, source["answer"])
    if verdict is None and plan.entry.asks_solver:
        said = [answers.get(request.key) for request in plan.solutions(candidate.problem)]
        verdict = votes.counted(kind, candidate, said, plan.entry.holds)
    if verdict is None:
        return row
    row |= {"votes": verdict.votes, "solutions": verdict.of}
    return row if verdict.holds else {**row, "door": "answer holds", "why": verdict.why}
