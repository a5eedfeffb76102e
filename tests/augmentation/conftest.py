"""The demo's problems with matches and a dev split, and an entry that a test may change: what each test of this room begins with."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from mathrl.config.entry import Entry
from mathrl.core.files import write_jsonl
from mathrl.data.duplicates import Signatures
from mathrl.data.problems import bands, quintiles
from mathrl.decontamination import Settings, find_matches
from mathrl.demo.world import make_world
from support.cleaning import add_ids
from support.embedding_model import model

__all__ = ["DEV", "Data", "data", "entry", "model"]
DEV = 64


@dataclass(frozen=True)
class Data:
    """A folder with problems.parquet, matches.parquet and {benchmark}.jsonl, and what is in them."""

    folder: Path
    problems: pl.DataFrame
    items: dict
    leaked: set

    @property
    def benchmark_options(self) -> list[str]:
        return [f"--benchmark={name}={self.folder / name}.jsonl" for name in self.items]


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Data:
    folder = tmp_path_factory.mktemp("augmentation")
    world = make_world(seed=1, problems=2600, items=100, leaks=12)
    raw = pl.DataFrame(world["problems"]).rename({"prompt": "problem", "solution": "answer", "llama8b_solve_rate": "solve_rate"})
    rows = add_ids(raw.unique("problem", keep="first", maintain_order=True))
    signatures = Signatures()
    signatures.add(rows["problem"])
    rows = rows.with_columns(
        difficulty=bands(rows["solve_rate"], quintiles(rows["solve_rate"])).cast(pl.Int8),
        duplicate_group=signatures.groups(rows["id"], "near"),
    ).select("id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group")
    rows.write_parquet(folder / "problems.parquet")
    find_matches(rows, world["benchmarks"], Settings()).write_parquet(folder / "matches.parquet")
    for name, items in world["benchmarks"].items():
        write_jsonl(folder / f"{name}.jsonl", items)
    return Data(folder, rows, world["benchmarks"], {leak["item_id"] for leak in world["leaks"]})


@pytest.fixture
def entry():
    """An entry by what it changes of a small one that answers nothing by itself."""

    def make(address: str | None, **changed) -> Entry:
        plain = {
            "kind": "variants", "model": "proposer", "address": address, "budget": {"requests": 100_000}, "timeout": 5,
            "max_tokens": 300, "attempts": 4, "problems": {"count": 12}, "holds": {"max_tokens": 200},
        }  # fmt: skip
        return Entry.of(plain | changed)

    return make
