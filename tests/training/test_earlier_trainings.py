"""A training that another configuration, commit or scheme began: what differs is said, and may be called harmless."""

import pytest
from mathrl.core.files import UserError, write_json
from mathrl.training import checkpoints, directories, fingerprints


def test_it_is_said_what_differs(place, stage, own_code, capsys):
    place.directory(stage)
    assert not capsys.readouterr().err
    place.directory(stage.changed(learning_rate=2e-5))
    said = capsys.readouterr().err
    assert "is kept (up to step 0), it differs in: verl.actor_rollout_ref.actor.optim.lr (1e-05 → 2e-05)\n" in said
    own_code.edit("reward.py", "X = 2\n")
    place.directory(stage)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2, "every earlier directory is named"
    assert any(line.endswith("it differs in: code of reward.py") for line in said)


def test_what_differs_may_be_called_harmless(place, stage, own_code, capsys):
    first = place.directory(stage)
    written = (first / "fingerprint.json").read_bytes()
    own_code.edit("reward.py", "X = 2\n")
    content = place.content(stage)
    opened = directories.open_directory(first.parent, content, first.name)
    assert opened == (first, ["code of reward.py"]) and (first / "fingerprint.json").read_bytes() == written
    assert "called harmless: code of reward.py" in capsys.readouterr().err
    assert not (first.parent / fingerprints.name(content)).exists(), "no directory of its own is begun"
    with pytest.raises(UserError, match=f"adopt: .*0123456789ab is no directory of checkpoints of this stage; there are: {first.name}"):
        place.directory(stage, adopt="0123456789ab")
    assert place.directory(stage, adopt=fingerprints.name(content)).name == fingerprints.name(content), "its own needs no adoption"


def test_other_gpus_alone_start_nothing_anew_unasked(place, stage):
    """Before the first checkpoint they may."""
    first, other = place.directory(stage), stage.changed(gpus=4)
    assert place.directory(other) != first
    (first.parent / fingerprints.name(place.content(other)) / "fingerprint.json").unlink()
    (first.parent / fingerprints.name(place.content(other))).rmdir()
    (first / "global_step_200/actor").mkdir(parents=True)
    checkpoints.mark_complete(first / "global_step_200")
    with pytest.raises(UserError, match=rf"{first.name}: was trained up to step 200 by another number of GPUs; .*adopt: '{first.name}'"):
        place.directory(other)
    assert place.directory(other, adopt=first.name) == first
    assert place.directory(stage.changed(gpus=4, seed=2)) != first, "another training in any case"


def test_a_supervised_stage_of_other_gpus_is_offered_what_it_can_do(place, stage):
    """It was offered `reshard`, which its configuration may not have."""

    def opened(gpus):
        content = place.content(stage.changed(gpus=gpus)) | {"algorithm": "supervised"}
        return directories.open_directory(place.folder / "checkpoints", content, None, place.model)[0]

    (opened(6) / "global_step_200").mkdir()
    checkpoints.mark_complete(opened(6) / "global_step_200")
    with pytest.raises(UserError, match="trained again unasked: use as many GPUs as before, or move it away to train anew"):
        opened(4)


def earlier_scheme(place, stage, **more):
    """A directory as an earlier commit made it, trained up to step 10."""
    content = place.content(stage)
    old = {key: value for key, value in content.items() if key not in ("scheme", "code", "code_files")}
    old |= {"reward_code": {}, "grading_policy": "3", "versions": {"python": content["versions"]["python"]}} | more
    directory = place.folder / "checkpoints" / fingerprints.name(old)
    write_json(directory / "fingerprint.json", old)
    (directory / "global_step_10").mkdir()
    checkpoints.mark_complete(directory / "global_step_10")
    return directory


def test_an_upgrade_of_the_workflow_trains_nothing_again_unasked(place, stage, capsys):
    old = earlier_scheme(place, stage)
    with pytest.raises(UserError, match=f"up to step 10 under an earlier scheme.*set training.adopt: '{old.name}' to go on with it"):
        place.directory(stage)
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert place.directory(stage, adopt=old.name) == old
    assert "called harmless: code (None → " in capsys.readouterr().err
    old.rename(place.folder / "away")
    assert place.directory(stage).name != old.name, "moved away, it is trained anew"


def test_the_version_of_peft_counts_where_there_are_adapters(place, stage):
    with_adapters = stage.changed(lora={"rank": 8})
    assert "peft" in place.content(with_adapters)["versions"] and "peft" not in place.content(stage)["versions"]


def test_adapters_of_a_commit_that_did_not_count_peft_are_not_trained_again_unasked(place, stage, monkeypatch):
    stage = stage.changed(lora={"rank": 8})
    with monkeypatch.context() as before:
        before.setattr(fingerprints, "PACKAGES_OF_LORA", ())
        old = place.directory(stage)
    (old / "global_step_10").mkdir()
    checkpoints.mark_complete(old / "global_step_10")
    with pytest.raises(UserError, match=f"up to step 10 by a commit .* did not count the version of peft; .*adopt: '{old.name}' to go on"):
        place.directory(stage)
    assert place.directory(stage, adopt=old.name) == old
    assert place.directory(stage.changed(learning_rate=2e-5)) != old


def test_another_configuration_than_the_earlier_schemes_is_trained_as_ever(place, stage, capsys):
    old = earlier_scheme(place, stage)
    new = place.directory(stage.changed(learning_rate=2e-5))
    assert new != old and f"{old} is kept (up to step 10), it differs in: " in capsys.readouterr().err


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"scheme": 2, "checksum": "ab"}', None], ids=["empty", "cut", "list", "other", "flip"])
def test_a_damaged_fingerprint_of_another_directory_blocks_nothing(place, stage, capsys, damaged):
    old = place.directory(stage.changed(learning_rate=2e-5))
    text = (old / "fingerprint.json").read_text()
    (old / "fingerprint.json").write_text(text.replace('"grpo"', '"grp0"') if damaged is None else damaged)
    new = place.directory(stage)
    said = capsys.readouterr().err
    assert new.exists() and f"{old}/fingerprint.json: is" in said and "it is not compared, and kept" in said


def test_a_damaged_fingerprint_of_the_own_directory_is_written_again(place, stage, capsys):
    own = place.directory(stage)
    whole = (own / "fingerprint.json").read_bytes()
    for damaged in (b"", whole.replace(b"code of", b"c0de of").replace(b'"algorithm"', b'"alg0rithm"'), whole[:50]):
        (own / "fingerprint.json").write_bytes(damaged)
        assert place.directory(stage) == own and (own / "fingerprint.json").read_bytes() == whole
        assert f"{own}/fingerprint.json: is" in capsys.readouterr().err
