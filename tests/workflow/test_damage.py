"""Damage in a finished demo: 300 times at random, each named; and what Snakemake makes of several at once."""

import functools
import json
import os
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from mathrl.config import endpoint
from mathrl.config.stage import Stage
from mathrl.core import checksums
from mathrl.core.files import UserError, read_checked_json, read_json, sha256_file, sha256_json, write_checked_json
from mathrl.data import downloads
from mathrl.evaluation import evaluated, sampling
from mathrl.execution import damage
from mathrl.training import checkpoints, directories, logged, long_prompts, trained_by
from support.damage import flip, harm

from .conftest import copy_demo, job_counts

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]
TIMES = 300
CHECKSUM = b'"checksum"'


@pytest.fixture
def demo(finished, make_workflow, tmp_path, monkeypatch):
    """A copy of the demo with its checkpoints, as the working directory."""
    workflow = copy_demo(finished, make_workflow("damage", tmp_path), "checkpoints")
    monkeypatch.chdir(workflow.directory)
    if "MATHRL_FINISHED_DEMO" in os.environ:  # it may be of a commit that noted nothing
        for path in [*Path().glob("results/**/*"), *Path().glob("resources/*/*")]:
            if (path.is_file() or path.parent.name == "models") and not any(path.is_relative_to(known) for known, _ in checksums.records()):
                checksums.note(path, path)
        for place in Path("checkpoints").glob("*/*/*/global_step_*"):
            checkpoints.mark_complete(place)
        for place in Path("checkpoints").glob("*/*/*/tensorboard"):
            logged.note(place.parent, 60)
        for place in Path("checkpoints/samples").glob("*/content.json"):
            write_checked_json(place, {key: value for key, value in read_json(place).items() if key != "checksum"})
        rows = endpoint.registered()
        endpoint.REGISTER.write_text("".join(json.dumps({**row, "checksum": sha256_json(row)}) + "\n" for row in rows))
    _add_what_a_demo_lacks()
    return workflow


PIN = downloads.Pin("thing", "dataset", downloads.Origin("huggingface", "owner/thing", "main"))


def _add_what_a_demo_lacks():
    """A lock: the demo downloads nothing. Files without long prompts: none of its prompts is too long."""
    downloads.write_lock("pins.tsv", PIN, PIN.origin, {"train.parquet": "ab" * 32, "test.parquet": "cd" * 32}, 100)
    short_prompts().files.mkdir()
    short_prompts().make()


@functools.cache
def short_prompts():
    """Rows of the demo without its longest prompts, as a training makes them."""
    files = Path("checkpoints/short")
    stage = Stage(max_prompt_length=45)
    of = {"train_file": Path("results/grpo/main/train.parquet"), "validation_file": Path("results/grpo/main/val.parquet")}
    plan = SimpleNamespace(stage=stage, model=Path("resources/models/demo-base"), name="train grpo", **of)
    return SimpleNamespace(files=files, make=lambda: long_prompts.keys(plan, files))


def artefacts():
    """Every file that a later step or a resume reads, with what must name it."""
    found = {}
    for path, record in checksums.records():
        for name in checksums.noted(record):
            found[path / name if path.is_dir() else path] = by_damage
    for place in Path("checkpoints").glob("*/*/*/"):
        if (place / directories.FILE).exists():
            found[place / directories.FILE] = by_fingerprint
            found |= dict.fromkeys(place.glob(f"{trained_by.FOLDER}/*.json"), by_checksum)
            found |= dict.fromkeys(place.glob("finished.json"), by_checksum)
            found |= {path: by_mark for step in place.glob("global_step_*") for path in step.rglob("*") if path.is_file()}
            found |= dict.fromkeys([*place.glob("tensorboard/*"), *place.glob("rollouts/*")], by_log)
            found |= dict.fromkeys([place / name for name in (logged.NOTE, long_prompts.NOTE)], by_checksum)
    found |= dict.fromkeys(Path("checkpoints/samples").glob(f"*/*{sampling.CHECKED}"), by_store)
    found |= dict.fromkeys(Path("checkpoints/samples").glob("*/content.json"), by_content)
    found |= dict.fromkeys(short_prompts().files.iterdir(), by_short_prompts)
    found |= {downloads.lock_path("pins.tsv", PIN.name): by_lock, endpoint.REGISTER: by_register}
    return found


def by_damage(path, capsys):
    return "\n".join(damage.clear(remove=False))


def by_fingerprint(path, capsys):
    return refusal(lambda: directories.read(path.parent))


def by_checksum(path, capsys):
    return refusal(lambda: read_checked_json(path))


def by_mark(path, capsys):
    step = next(parent for parent in path.parents if parent.name.startswith("global_step_"))
    if not checkpoints.is_complete(step):
        return f"{path} cut off"
    return f"{step / (checkpoints.damage(step) or '')}"


def by_log(path, capsys):
    return refusal(lambda: logged.check(path.parents[1]))


def by_content(path, capsys):
    capsys.readouterr()
    evaluated.content(path)
    return capsys.readouterr().err


def by_short_prompts(path, capsys):
    """Made again, the very same."""
    others = {other: other.read_bytes() for other in path.parent.iterdir() if other != path}
    capsys.readouterr()
    short_prompts().make()
    assert {other: other.read_bytes() for other in others} == others
    return capsys.readouterr().err


def by_lock(path, capsys):
    return refusal(lambda: downloads.read_lock("pins.tsv", PIN))


def by_register(path, capsys):
    return str(path) if endpoint.damaged() else ""


def by_store(path, capsys):
    capsys.readouterr()
    sampling.read_store(path.parent)
    return capsys.readouterr().err


def refusal(read):
    try:
        read()
    except UserError as error:
        return str(error)
    return ""


def test_three_hundred_damages_are_named(demo, capsys):
    rng = random.Random(13)
    found = artefacts()
    kinds = sorted(set(found.values()), key=lambda function: function.__name__)
    assert len(kinds) == 10 and len(found) > 200, kinds
    silent, counts = [], Counter()
    for number in range(TIMES):
        path = rng.choice(sorted(path for path, function in found.items() if function is kinds[number % len(kinds)]))
        whole, times = path.read_bytes(), path.stat()
        how = harm(rng, path) if whole else None
        if how is None or path.read_bytes() == whole:
            continue
        said = found[path](path, capsys)
        harmless = path.suffix == ".json" and path.read_bytes().split() == whole.split()
        # The name of the hash itself is damaged: the rest is whole, and is taken for an earlier commit's.
        harmless |= how.startswith("bit") and CHECKSUM in whole and CHECKSUM not in path.read_bytes()
        at_the_end = found[path] in (by_store, by_register) and not how.startswith("bit")  # as a kill leaves it: less is there
        outcome = "named" if str(path) in said else "harmless" if harmless else "less" if at_the_end else "silent"
        counts[outcome] += 1
        if outcome == "silent":
            silent.append((number, str(path), how))
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    print(f"{len(found)} files, {counts.total()} damages: {dict(counts)}")
    assert not silent and counts["named"] > 0.9 * TIMES


def test_snakemake_names_damage_and_makes_it_again(make_workflow, tmp_path):
    """The data part alone, from nothing: of two files one is emptied, in the other a bit is flipped."""
    workflow = make_workflow("data", tmp_path)
    names = ["results/data/problems.parquet", "results/data/contamination.csv", "results/data/contamination.json"]
    done = workflow.snakemake("--", *names)
    assert done.returncode == 0 and "is damaged" not in done.stdout, done.stdout[-4000:]
    before = {name: sha256_file(workflow.directory / name) for name in names}
    flip(random.Random(1), workflow.directory / names[0])
    (workflow.directory / names[1]).write_bytes(b"")
    planned = workflow.snakemake("-n", "--", *names)
    assert planned.stdout.count("is damaged: it is not as it was written; a run makes it again") == 2
    assert (workflow.directory / names[0]).exists()
    done = workflow.snakemake("--", *names)
    assert done.returncode == 0, done.stdout[-4000:]
    for name in names[:2]:
        assert f"notice: {name}: is damaged: it is not as it was written; it is made again" in done.stdout
    assert {name: sha256_file(workflow.directory / name) for name in names} == before
    assert "Nothing to be done" in workflow.snakemake("--", *names).stdout


def test_snakemake_makes_again_what_is_damaged_and_trains_nothing(demo):
    """With MATHRL_FINISHED_DEMO, of a demo by this very code: another makes everything again."""
    rng = random.Random(5)
    names = ["results/grpo/model/tokenizer.json", "results/data/problems.parquet", "results/grpo/main/train.parquet", "results/scores.csv"]
    names += ["results/data/funnel.json", "results/base/finalist/samples/demo_words.jsonl.zst"]
    before = {name: sha256_file(name) for name in names}
    checkpoint = {path: path.stat().st_mtime_ns for path in Path("checkpoints").rglob("*.pt")}
    for name in names:
        Path(name).write_bytes(b"") if name.endswith("csv") else flip(rng, Path(name))
    done = demo.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    for name in names:
        assert f"notice: {name}: is damaged: it is not as it was written; it is made again" in done.stdout
    assert {name: sha256_file(name) for name in names} == before
    assert {path: path.stat().st_mtime_ns for path in checkpoint} == checkpoint, "nothing is trained"
    assert job_counts(demo.snakemake("-n").stdout) == {}
