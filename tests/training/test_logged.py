"""Curves and kept rollouts: as far as they were noted they stay as they are, and what comes after is nobody's damage."""

import re

import pytest
from mathrl.core.files import UserError
from mathrl.training import logged
from support.events import write_events

EVENTS = "tensorboard/events.out.tfevents.1000000100.host"


@pytest.fixture
def stage(tmp_path):
    """Two saved steps with their curves and rollouts."""
    write_events(
        tmp_path / "tensorboard", [(step, "val-core/dev/acc/mean@1", step / 10) for step in (1, 2)], "events.out.tfevents.1000000100.host"
    )
    (tmp_path / "rollouts").mkdir()
    for step in (1, 2, 3):
        (tmp_path / f"rollouts/{step}.jsonl").write_text('{"output": "\\\\boxed{3}"}\n' * step)
    logged.note(tmp_path, 2)
    return tmp_path


def test_what_grows_after_the_note_is_no_damage(stage):
    with open(stage / EVENTS, "ab") as out:
        out.write(b"half a record")
    (stage / "rollouts/3.jsonl").write_text("another try of a step that was not saved\n")
    logged.check(stage)


@pytest.mark.parametrize("name", [EVENTS, "rollouts/1.jsonl", "rollouts/2.jsonl"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone"])
def test_damage_is_refused_in_one_line_that_names_the_file(stage, name, harm):
    path = stage / name
    whole = path.read_bytes()
    path.write_bytes({"flip": bytes([whole[0] ^ 1]) + whole[1:], "cut": whole[:-1]}.get(harm, b""))
    if harm == "gone":
        path.unlink()
    with pytest.raises(UserError, match=rf"^{path}: is damaged: .* or remove {stage}/logged.json to go on") as told:
        logged.check(stage)
    assert "\n" not in str(told.value)
    logged.note(stage, 2)
    with pytest.raises(UserError, match="is damaged"):  # a later note takes no damage for the truth
        logged.check(stage)
    (stage / logged.NOTE).unlink()
    logged.check(stage)


def test_a_reader_of_one_part_asks_for_that_part_alone(stage):
    (stage / "rollouts/1.jsonl").write_text("")
    logged.check(stage, logged.CURVES)
    with pytest.raises(UserError, match=r"rollouts/1\.jsonl"):
        logged.check(stage, logged.ROLLOUTS)


def test_a_step_that_is_trained_again_writes_its_rollouts_anew(stage):
    """Its checkpoint is gone: step 1 is the last."""
    logged.note(stage, 1)
    (stage / "rollouts/2.jsonl").write_text("other\n")
    logged.check(stage)
    logged.note(stage, 2)
    logged.check(stage)


def test_a_note_is_extended_as_files_grow(stage):
    whole = (stage / EVENTS).read_bytes()
    (stage / EVENTS).write_bytes(whole * 2)
    logged.note(stage, 2)
    (stage / EVENTS).write_bytes(whole * 2)
    logged.check(stage)
    (stage / EVENTS).write_bytes(whole + whole[:-1])
    with pytest.raises(UserError, match=re.escape(EVENTS)):
        logged.check(stage)


def test_a_damaged_note_is_named_and_written_again(stage, capsys):
    (stage / logged.NOTE).write_bytes(b"")
    logged.note(stage, 2)
    assert f"{stage}/logged.json: is no JSON" in capsys.readouterr().err
    logged.check(stage)
    assert capsys.readouterr().err == ""


def test_an_empty_file_may_grow(tmp_path):
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / EVENTS).write_bytes(b"")
    logged.note(tmp_path, 0)
    (tmp_path / EVENTS).write_bytes(b"more")
    logged.check(tmp_path)
