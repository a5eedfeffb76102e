"""Checkpoints are whole or not there, whatever moment a kill chooses."""

import pytest
from mathrl.core.files import UserError, write_json
from mathrl.training import checkpoints


def save(root, step, content=b"weights"):
    actor = root / f"global_step_{step}" / "actor"
    actor.mkdir(parents=True)
    (actor / "model.pt").write_bytes(content)
    (root / f"global_step_{step}" / "data.pt").write_bytes(b"order")
    checkpoints.CompleteCheckpoints().on_save(trainer=None, global_step=step, checkpoint_dir=str(root / f"global_step_{step}"))
    (root / checkpoints.TRACKER).write_text(str(step))


def test_whole_checkpoints_are_kept(tmp_path):
    save(tmp_path, 10)
    save(tmp_path, 20)
    assert checkpoints.repair(tmp_path) == []
    assert checkpoints.steps(tmp_path) == [10, 20]


def unmarked(directory):
    (directory / checkpoints.MARK).unlink()


def truncated(directory):
    (directory / "actor/model.pt").write_bytes(b"wei")


def lost(directory):
    (directory / "data.pt").unlink()


def half_a_mark(directory):
    (directory / checkpoints.MARK).write_text('{"files": {"act')


@pytest.mark.parametrize("harm", [unmarked, truncated, lost, half_a_mark])
def test_a_cut_off_checkpoint_falls_back_to_the_one_before(tmp_path, harm):
    save(tmp_path, 10)
    save(tmp_path, 20)
    harm(tmp_path / "global_step_20")
    (line,) = checkpoints.repair(tmp_path)
    assert "global_step_20" in line and "cut off" in line
    assert checkpoints.steps(tmp_path) == [10]
    assert (tmp_path / checkpoints.TRACKER).read_text() == "10"
    assert not (tmp_path / "global_step_20").exists()


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["actor/model.pt", "data.pt"])
def test_a_flipped_byte_falls_back_to_the_one_before(tmp_path, file):
    save(tmp_path, 10)
    save(tmp_path, 20)
    flip(tmp_path / "global_step_20" / file, 2)
    with pytest.raises(
        UserError, match=f"global_step_20/{file}: is damaged.*move global_step_20 away, then snakemake --cores all --forcerun"
    ):
        checkpoints.check(tmp_path / "global_step_20")
    (line,) = checkpoints.repair(tmp_path)
    assert f"global_step_20/{file}: is damaged" in line and checkpoints.steps(tmp_path) == [10]
    assert (tmp_path / checkpoints.TRACKER).read_text() == "10"
    checkpoints.check(tmp_path / "global_step_10")


def test_no_flip_in_a_mark_is_believed(tmp_path):
    save(tmp_path, 10)
    mark = tmp_path / "global_step_10" / checkpoints.MARK
    whole = mark.read_bytes()
    for place in range(len(whole)):
        mark.write_bytes(whole)
        flip(mark, place)
        complete = checkpoints.is_complete(tmp_path / "global_step_10")
        assert not complete or whole[place : place + 1].isspace(), place


def test_a_mark_of_an_earlier_commit_holds(tmp_path):
    save(tmp_path, 10)
    place = tmp_path / "global_step_10"
    write_json(place / checkpoints.MARK, {"schema_version": 1, "files": {"actor/model.pt": 7, "data.pt": 5}})
    assert checkpoints.repair(tmp_path) == [] and checkpoints.steps(tmp_path) == [10]
    (place / "data.pt").write_bytes(b"longer")
    assert not checkpoints.is_complete(place)


def test_without_a_whole_checkpoint_training_starts_anew(tmp_path):
    save(tmp_path, 10)
    unmarked(tmp_path / "global_step_10")
    checkpoints.repair(tmp_path)
    assert not (tmp_path / checkpoints.TRACKER).exists()


def test_other_directories_are_left_alone(tmp_path):
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "global_step_best").mkdir()
    assert checkpoints.repair(tmp_path) == []
    assert (tmp_path / "global_step_best").exists()


@pytest.mark.parametrize(
    ("last", "every", "best", "kept"),
    [
        (1, None, 20, [20, 60]),  # the newest and the best
        (2, None, 60, [50, 60]),
        (2, 30, 10, [10, 30, 50, 60]),
        (1, None, 0, [60]),  # the best is the starting model, which is no checkpoint
    ],
)
def test_retention_keeps_what_is_asked_for(tmp_path, last, every, best, kept):
    for step in range(10, 70, 10):
        save(tmp_path, step)
    gone = checkpoints.retain(tmp_path, last, every, 10, best)
    assert checkpoints.steps(tmp_path) == kept
    assert sorted([*gone, *kept]) == list(range(10, 70, 10))
    assert checkpoints.retain(tmp_path, last, every, 10, best) == []


@pytest.mark.parametrize(
    ("interrupted", "kept"),
    [
        (23, [10, 20, 23]),  # the newest, to go on from; it takes the place of one that is due
        (26, [10, 20, 26]),
        (33, [10, 20, 30, 33]),
    ],
)
def test_an_interruption_costs_no_other_checkpoint(tmp_path, interrupted, kept):
    for step in [step for step in (10, 20, 30) if step < interrupted] + [interrupted]:
        save(tmp_path, step)
    checkpoints.retain(tmp_path, 3, None, 10, 10)
    assert checkpoints.steps(tmp_path) == kept
    save(tmp_path, 40)
    checkpoints.retain(tmp_path, 3, None, 10, 10)
    assert interrupted not in checkpoints.steps(tmp_path), "once there is a newer one"


def test_a_step_saved_by_an_interruption_is_not_due():
    assert checkpoints.due([10, 16, 20, 25], 10) == [10, 20, 25], "but the newest is: there the run ends"
    assert checkpoints.due([], 10) == []
