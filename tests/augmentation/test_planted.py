"""Bad variants are stopped, each by the door that is there for it, and good ones pass."""

from collections import Counter

import polars as pl
import pytest
from mathrl.augmentation.sources import held_out
from support import providers, variants_pipeline
from support.planted_variants import DOOR, Generator

from .conftest import DEV

KINDS = [kind for kind in DOOR if kind != "twice"]


def plant(data, sources, family: str, seed: int, bad: int = 100, good: int = 100):
    """`bad` bad variants, all kinds alike, and `good` good ones, of different sources."""
    items = [item for rows in data.items.values() for item in rows if item["id"] not in data.leaked]
    dev = data.problems.filter(held_out(data.problems, DEV))
    matched = set(pl.read_parquet(data.folder / "matches.parquet")["problem_id"])
    made = Generator(seed, sources, items, dev.filter(~dev["id"].is_in(matched)).to_dicts())
    fine = made.make(["good"] * good, family)
    again = made.twice(fine[: bad // len(DOOR)])
    kinds = [KINDS[place % len(KINDS)] for place in range(bad - len(again))]
    return [*fine, *again, *made.make(kinds, family)]


def scripted(planted):
    """A proposer that says what was planted, and an honest solver that slips now and then."""
    by_source = {one.source: one.reply for one in planted}
    truths = {one.problem: one.truth for one in planted if one.truth is not None}

    def respond(body):
        problem = providers.problem_in(providers.prompt_of(body))
        if body["model"] == "proposer":
            return by_source[problem]
        slip = providers.chance(body, "slip") < 0.04
        return providers.completion(f"So it is \\boxed{{{truths[problem] + slip}}}.", "solver")

    return respond


FAMILIES = [pytest.param("seen", marks=pytest.mark.full), pytest.param("held_out", marks=pytest.mark.full), "held_out_again"]


@pytest.mark.parametrize("family", FAMILIES)
def test_planted_variants_end_at_the_right_door(data, entry, tmp_path, family):
    plain = entry("http://127.0.0.1:9/v1", problems={"count": None})
    sources = variants_pipeline.choose(data, plain, tmp_path, DEV)
    planted = plant(data, sources, family, seed=7)
    assert Counter(one.kind == "good" for one in planted) == {True: 100, False: 100}
    with providers.Server(scripted(planted)) as server:
        solver = {"model": "solver", "address": server.address}
        asking = entry(server.address, solver=solver, problems={"count": None}, holds={"k": 3, "m": 2, "max_tokens": 200})
        order = {one.source: place for place, one in enumerate(planted)}
        chosen = sorted((row for row in sources if row["problem"] in order), key=lambda row: order[row["problem"]])
        variants_pipeline.write_jsonl(tmp_path / "sources.jsonl", chosen)
        variants_pipeline.request(asking, tmp_path)
    funnel = variants_pipeline.judge(data, asking, tmp_path, DEV, {one.problem: one.rate for one in planted})
    table = _with_verdicts(planted, chosen, tmp_path)
    wrong = [(one.kind, door, why, one.problem) for one, door, why in table if one.kind != "good" and door != DOOR[one.kind]]
    lost = [(one.kind, door, why, one.problem) for one, door, why in table if one.kind == "good" and door is not None]
    assert len(wrong) <= 1, wrong
    assert len(lost) <= 10, lost
    assert funnel["not_searched"] == ["reworded"], "no embedding model is there, and the funnel says what that leaves out"
    counts = {part["door"]: part["rows_in"] - part["rows_out"] for part in funnel["doors"]}
    assert sum(counts.values()) == 200 - funnel["rows"] and all(counts.values())
    assert all(0 < len(part["examples"]) <= 3 for part in funnel["doors"])
    assert set(DOOR) == {one.kind for one in planted} - {"good"}


def _with_verdicts(planted, chosen, folder):
    """Each planted variant with the door that stopped it (None: it passed) and why."""
    names = {row["problem"]: row["id"] for row in chosen}
    rows = {row["source_id"]: row for row in pl.read_parquet(folder / "proposals.parquet").to_dicts()}
    return [(one, rows[names[one.source]]["door"], rows[names[one.source]]["why"]) for one in planted]
