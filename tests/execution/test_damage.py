"""What is not as it was written is named, and made again or refused; never used. Here on a small study, at random."""

import json
import random
import shutil

import polars
import pytest
from mathrl.core import checksums, parquet
from mathrl.core.files import UserError, atomic_path, read_json, read_jsonl, replaced_directory, write_json, write_jsonl, write_text
from mathrl.core.tensorboard import read_scalars
from mathrl.data import downloads
from mathrl.evaluation import sampling
from mathrl.execution import damage
from mathrl.models.checks import check_model
from mathrl.training import checkpoints
from support.damage import harm
from support.models import NO_WEIGHTS

ROWS = [
    {"id": str(i), "sample": s, "response": f"So \\boxed{{{i}}}.", "finish_reason": "stop", "tokens": 5} for i in range(20) for s in (0, 1)
]


def write_study():
    """A file of each kind."""
    with atomic_path("results/data/problems.parquet") as temporary:
        polars.DataFrame({"id": ["a", "b"] * 50, "problem": ["1 + 1", "2 + 2"] * 50}).write_parquet(temporary)
    write_json("results/grpo/main/manifest.json", {"steps": 10, "chosen_step": 10})
    write_jsonl("results/grpo/finalist/samples/a.jsonl.zst", ROWS)
    write_text("results/scores.csv", "model,mean\nbase,7.5\n")
    for place in ("results/grpo/model", "resources/models/base"):
        with replaced_directory(place) as fresh:
            (fresh / "config.json").write_text("{}")
            (fresh / "tokenizer.json").write_text('{"vocab": ["a", "b"]}')
            (fresh / "model.safetensors").write_bytes(NO_WEIGHTS)
            if place.startswith("results"):
                write_json(fresh / "export.json", {"step": 10})


READERS = {
    "results/data/problems.parquet": lambda path: parquet.read(path),
    "results/grpo/main/manifest.json": read_json,
    "results/grpo/finalist/samples/a.jsonl.zst": lambda path: list(read_jsonl(path)),
    "results/scores.csv": None,  # nothing reads it again but people
    "results/grpo/model/tokenizer.json": lambda path: check_model(path.parent),
    "results/grpo/model/model.safetensors": lambda path: check_model(path.parent),
    "resources/models/base/config.json": lambda path: check_model(path.parent),
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study()
    return tmp_path


def test_a_study_as_it_was_written_is_left_alone(study):
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert damage.clear() == []
    for name, read in READERS.items():
        if read:
            read(study / name)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", READERS)
def test_damage_is_named_and_refused_and_taken_away(study, name):
    """Each kind of file twelve times, at random."""
    rng = random.Random(name)
    path = study / name
    whole = path.read_bytes()
    for _ in range(12):
        path.write_bytes(whole)
        how = harm(rng, path)
        (line,) = damage.clear(remove=False)
        assert line.startswith(f"{name}: is damaged") and path.exists(), how
        if READERS[name]:
            with pytest.raises(UserError, match=r"^[^\n]*is damaged: it is not as it was written[^\n]*$") as refusal:
                READERS[name](path)
            assert name in str(refusal.value), how
    (line,) = damage.clear()
    assert line == f"{name}: is damaged: it is not as it was written; it is made again"
    asked = {"results/grpo/model": study / "results/grpo/model/export.json", "resources/models/base": study / "resources/models/base"}
    assert not asked.get(str(path.parent.relative_to(study)), path).exists(), "what Snakemake looks for is gone"
    write_study()
    assert damage.clear() == []


def test_damaged_weights_stay_until_a_new_export_takes_their_place(study):
    (study / "results/grpo/model/tokenizer.json").unlink()
    (line,) = damage.clear()
    assert line.startswith("results/grpo/model/tokenizer.json: is damaged")
    assert (study / "results/grpo/model/model.safetensors").exists()


def test_damage_of_a_record_makes_its_file_again(study):
    for record in (study / "results" / checksums.FOLDER).rglob("*csv.sha256"):
        record.write_text("")
    assert [line.split(":")[0] for line in damage.clear()] == ["results/scores.csv"]


def test_what_is_removed_or_belongs_to_nobody_is_no_damage(study):
    (study / "results/scores.csv").unlink()
    (study / "results/notes.txt").write_text("mine")
    assert damage.clear() == []


def test_files_outside_of_a_study_have_no_record(study):
    for name in ("elsewhere/a.json", "results/.partial/a.json", "checkpoints/x/fingerprint.json"):
        write_json(name, {})
        assert checksums.record_of(name) is None
    assert checksums.record_of("outer/results/data/a.json") == checksums.Path("outer/results/.checksums/data/a.json.sha256")


def test_a_flipped_line_of_the_store_is_named_and_its_response_made_again(tmp_path, capsys):
    requests = [sampling.Request("p", "a", str(i), 0, f"{i}+1") for i in range(20)]
    store = tmp_path / f"0-1-1{sampling.CHECKED}"
    with open(store, "wb") as handle:
        for request in requests:
            sampling._write(handle, request, "So \\boxed{é}.", "stop", 4)
    whole, rows = store.read_bytes(), sampling.read_store(tmp_path)
    assert len(rows) == 20
    rng = random.Random(0)
    for _ in range(100):
        store.write_bytes(whole)
        how = harm(rng, store)
        found = sampling.read_store(tmp_path)
        said = capsys.readouterr().err
        assert all(rows[key] == row for key, row in found.items()), how
        lost = 20 - len(found)
        assert lost <= 2 and f"{store}: line " in said if how.startswith("bit") else lost > 0 or len(whole), how


def test_a_store_of_an_earlier_commit_is_read_and_nonsense_in_it_is_not(tmp_path, capsys):
    row = {"benchmark": "a", "id": "1", "sample": 0, "problem": "x", "response": "r", "finish_reason": "stop", "tokens": 1}
    bad = [{**row, "sample": "0"}, {key: row[key] for key in ("id", "sample")}, [1]]
    (tmp_path / "0-1-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (*bad, row)))
    assert list(sampling.read_store(tmp_path)) == [("a", "1", 0, "x")]
    assert capsys.readouterr().err.count("is damaged") == 3


@pytest.mark.parametrize("step", range(8))
def test_samples_that_end_early_are_refused_wherever_they_end(tmp_path, step):
    path = tmp_path / "a.jsonl.zst"
    write_jsonl(path, ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * step // 8])
    with pytest.raises(UserError, match=r"a\.jsonl\.zst"):
        list(read_jsonl(path))


@pytest.mark.parametrize("lock", ['{"sha256": {}}', "{}", "[]", "", '{"sha256": {"a": "ab"}}', '{"sha256": ["a"]}'])
def test_an_emptied_lock_is_refused(tmp_path, monkeypatch, lock):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pins.lock").mkdir()
    (tmp_path / "pins.lock/a.json").write_text(lock)
    with pytest.raises(UserError, match=r"pins\.lock/a\.json: is no (lock|JSON)"):
        downloads.read_lock("pins.tsv", downloads.Pin("a", "dataset", downloads.Origin("http", "a")))


def test_a_damaged_record_of_tensorboard_is_named_and_left_out(tmp_path, capsys):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path / "tb"))
    for step in range(1, 41):
        writer.add_event(Event(step=step, summary=Summary(value=[Summary.Value(tag="val-core/dev/acc/mean@1", simple_value=step / 64)])))
    writer.close()
    (path,) = (tmp_path / "tb").iterdir()
    whole, curve = path.read_bytes(), read_scalars(tmp_path / "tb")["val-core/dev/acc/mean@1"]
    assert len(curve) == 40 and not capsys.readouterr().err
    rng = random.Random(1)
    for _ in range(60):
        path.write_bytes(whole)
        how = harm(rng, path)
        found = read_scalars(tmp_path / "tb").get("val-core/dev/acc/mean@1", [])
        assert set(found) <= set(curve), how
        assert str(path) in capsys.readouterr().err if how.startswith("bit") else len(found) < 40, how


def test_a_checkpoint_is_removed_whatever_is_damaged_in_it(tmp_path):
    rng = random.Random(2)
    for _ in range(40):
        place = tmp_path / "global_step_10"
        (place / "actor").mkdir(parents=True)
        for name in ("actor/model.pt", "actor/optim.pt", "data.pt"):
            (place / name).write_bytes(rng.randbytes(50))
        checkpoints.mark_complete(place)
        path = rng.choice([*place.rglob("*.pt"), place / checkpoints.MARK])
        how = harm(rng, path)
        lines = checkpoints.repair(tmp_path)
        blank = path.name == checkpoints.MARK and not lines  # a bit in the white space between its words
        assert blank or (len(lines) == 1 and "global_step_10" in lines[0] and not place.exists()), (path, how)
        shutil.rmtree(place, ignore_errors=True)
