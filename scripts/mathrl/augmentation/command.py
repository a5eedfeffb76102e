"""What the scripts of augmentation do: read, call the room, write; each output whole or not at all."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from mathrl.augmentation import budget, prompts, requests, store
from mathrl.augmentation.records import Requested, Source
from mathrl.augmentation.work import Plan, Progress, with_server
from mathrl.config import evaluation
from mathrl.config.entry import Entry
from mathrl.core import parquet
from mathrl.core.files import UserError, atomic_path, read_jsonl, write_json, write_jsonl
from mathrl.core.provenance import provenance
from mathrl.models.spending import Cost


def plan_of(entry: Entry, model: Path | None) -> Plan:
    """An entry with its prompt; a model of the engine is known by its bytes.

    Raises:
        UserError: the engine without a model's directory, or the prompt file cannot be used.
    """
    prompt = prompts.template(entry.kind, entry.prompt)
    if not entry.proposer.is_engine:
        return Plan(entry, prompt)
    if model is None:
        raise UserError("--model: address engine needs the directory of a model")
    from mathrl.core.hashes import model_sha256

    digest = model_sha256(model)
    return Plan(entry, prompt, (digest, digest))


def request(args: argparse.Namespace, entry: Entry, engine: evaluation.Engine) -> Requested:
    """Ask for what no store and no shipped cache holds, write all answers of the entry, and return what was done and spent.

    Raises:
        UserError: a cache that answers none of the requests, or a server that refuses or is not there.
    """
    plan = plan_of(entry, args.model)
    sources = list(read_jsonl(args.sources, ("id", "problem", "answer")))
    cache = Path(entry.cache) if entry.cache else None
    with store.locked(args.store):
        kept = store.Store(args.store, args.name, cache)
        before = len(kept.answers)
        if entry.address is None:
            progress = Progress()
        else:
            with contextlib.closing(kept):
                progress = _ask(plan, kept, sources, args, engine)
        needed = list(plan.needed(sources, kept.answers))
        answered = [kept.answers[one.key] for one in needed if one.key in kept.answers]
        if not answered:
            what = f"{entry.cache}: answers none of the {len(needed)} requests; they have another model, prompt or data" if cache else ""
            raise UserError(
                what or f"augmentation {args.name}: nothing was asked, the budget has {budget.left(entry.budget, kept.spent)}; raise it"
            )
        refused = [answer for answer in answered if answer.finish == "refused"]
        if len(refused) == len(answered):
            raise UserError(
                f"{requests.names([entry.proposer])}: refused every request, the first with: {refused[0].text}; see `parameters`"
            )
        store.write_answers(args.answers, answered)
    settings = entry.as_dict()
    return {
        "entry": args.name,
        "sources": len(sources),
        "requests": len(needed),
        "answered": len(answered),
        "new_answers": len(kept.answers) - before,
        "in_doubt": kept.in_doubt,
        "not_asked": progress.not_asked,
        "given_up": progress.given_up,
        "retries": progress.retries,
        "failures": progress.why,
        "spent": kept.spent.as_dict(),
        "budget": settings["budget"],
        "prices": settings["prices"],
    }


def _ask(plan: Plan, kept: store.Store, sources: list[Source], args: argparse.Namespace, engine: evaluation.Engine) -> Progress:
    if not plan.entry.proposer.is_engine:
        return with_server(plan, kept, sources)
    from mathrl.augmentation.engine import Engine, with_engine

    most = max(plan.entry.max_tokens, plan.entry.holds.max_tokens)
    return with_engine(plan, kept, sources, Engine(args.model, engine, args.accelerator, most))


def told(name: str, entry: Entry, summary: Requested) -> str:
    """The summary in one line, what is left of the budget and what it did not reach included."""
    spent = Cost(**summary["spent"])
    parts = [f"{summary['answered']} of {summary['requests']} requests are answered, {summary['new_answers']} of them new"]
    parts.append(f"{spent.requests:,} sent, {spent.tokens:,} tokens, {spent.money:.4f} money; left: {budget.left(entry.budget, spent)}")
    if summary["in_doubt"]:
        parts.append(f"{summary['in_doubt']} were in flight when a process was killed and count in full")
    if summary["not_asked"]:
        parts.append(f"the budget ended before {summary['not_asked']} of {summary['sources']} problems")
    if summary["given_up"]:
        parts.append(f"{summary['given_up']} were given up")
    return f"augmentation {name}: " + "; ".join(parts)


def check(args: argparse.Namespace, entry: Entry) -> None:
    """The doors that need no model: the table of proposals, and what passed for the next doors."""
    import polars as pl

    from mathrl.augmentation.check import proposals

    plan = plan_of(entry, args.model)
    sources = list(read_jsonl(args.sources, ("id", "problem", "answer")))
    answers = {answer.key: answer for answer in store.read_answers(args.answers)}
    known = parquet.read(args.problems, columns=["id", "problem"])
    table = proposals(args.name, plan, sources, answers, known)
    passed = table.filter(pl.col("door").is_null())
    text = pl.col("solution") if entry.kind == "solutions" else pl.col("problem")
    of = set(passed["source_id"])
    asked = [source for source in sources if source["id"] in of]
    with atomic_path(args.checked) as temporary:
        table.write_parquet(temporary)
    with atomic_path(args.passed) as temporary:
        passed.select("id", problem=text).write_parquet(temporary)
    write_jsonl(args.asked, ({key: row[key] for key in ("id", "problem", "answer")} for row in [*passed.to_dicts(), *asked]))


def admit(args: argparse.Namespace, entry: Entry) -> None:
    """The remaining doors: rows that may train, and the funnel."""
    from mathrl.augmentation import admit as doors
    from mathrl.augmentation.sources import COLUMNS
    from mathrl.data.benchmarks import read_benchmark

    problems = parquet.read(args.problems, columns=list(COLUMNS))
    benchmarks = {name: list(read_benchmark(path, may_be_empty=True).values()) for name, path in args.benchmark.items()}
    rates = doors.read_rates(args.solve_rates)
    table = doors.stop(parquet.read(args.checked), entry, rates, parquet.read(args.matches), benchmarks, problems, args.dev_size)
    found = doors.funnel(args.name, entry, table, problems, rates, args.embedding_model)
    with atomic_path(args.proposals) as temporary:
        table.write_parquet(temporary)
    with atomic_path(args.rows) as temporary:
        doors.rows(table, problems, rates).write_parquet(temporary)
    inputs = {"checked": args.checked, "matches": args.matches, "problems": args.problems}
    write_json(args.funnel, found | {"provenance": provenance(inputs, entry.as_dict())})
