"""The same stage once more: longer, shorter, after a kill, with a damaged file; and who trained which steps."""

import json
import shutil

import polars
import pytest
from mathrl.core import provenance
from mathrl.core.files import UserError, write_checked_json
from mathrl.training import attempt, checkpoints, history, manifest
from mathrl.training import stage as training
from mathrl.training.plan import StagePlan
from mathrl.verl import stop_file
from support.models import NO_WEIGHTS
from support.settings import stage_of, with_reward


class Verl:
    """Stands for verl: trains from the newest checkpoint to the last step at once; `dropped` prompts are too long for it."""

    def __init__(self, folder, stage):
        self.folder, self.stage, self.curves, self.trained, self.dropped, self.starts = folder, stage, {}, [], 0, 0
        (folder / "model").mkdir()
        (folder / "model/config.json").write_text("{}")
        (folder / "model/model.safetensors").write_bytes(NO_WEIGHTS)
        polars.DataFrame({"problem": ["p"] * 40, "extra_info": [{"original_problem": "p"}] * 40}).write_parquet(folder / "train.parquet")

    def run(self, module, arguments, environment, log, session):
        self.starts += 1
        given = dict(argument.split("=", 1) for argument in arguments)
        total = int(given.get("trainer.total_training_steps") or (40 - self.dropped) // 8 * int(given["trainer.total_epochs"]))
        list(session.follow(f"{stop_file.TOTAL}{total}"))
        saved = checkpoints.steps(session.directory)
        first = saved[-1] + 1 if saved else 1
        last = max(first, total) if "mathrl.verl.sft_trainer" in module else total  # verl's SFT trainer looks for the end after a step
        for step in range(first, last + 1):
            if step % 4 == 0 or step == total:
                place = session.directory / f"global_step_{step}"
                place.mkdir()
                checkpoints.mark_complete(place)
            metrics = {"critic/score/mean": 0.5, "training/generated_tokens": 100}
            for tag, value in metrics.items():
                self.curves.setdefault(tag, {})[step] = value
            list(session.follow(" - ".join([f"step:{step}", *(f"{tag}:{value}" for tag, value in metrics.items())])))
            self.trained.append(step)
        return 0

    def train(self, **changes):
        """The manifest, and the steps that were trained for it."""
        self.trained = []
        plan = StagePlan(
            run="grpo",
            stage_name="main",
            stage=with_reward(self.stage.changed(**changes), correct=1.0),
            accelerator="cpu",
            model=self.folder / "model",
            train_file=self.folder / "train.parquet",
            validation_file=self.folder / "train.parquet",
            root=self.folder / "checkpoints",
            log=self.folder / "verl.log",
        )
        training.train(plan, self.folder / "manifest.json")
        return json.loads((self.folder / "manifest.json").read_text()), self.trained


@pytest.fixture
def verl(tmp_path, config, monkeypatch, own_code):
    changes = {"train_batch_size": 8, "mini_batch_size": 8, "epochs": 2, "gpus": 1, "save_every": 4, "keep_last": 9}
    found = Verl(tmp_path, stage_of(config, **changes))
    monkeypatch.setattr(attempt, "run_verl", found.run)
    monkeypatch.setattr(attempt.sft_messages, "too_long", lambda *_: 0)  # no tokenizer here
    monkeypatch.setattr(attempt.long_prompts, "keys", lambda *_: {})
    for module in (history, manifest):
        monkeypatch.setattr(module, "read_scalars", lambda *_, **__: {tag: sorted(steps.items()) for tag, steps in found.curves.items()})
    return found


@pytest.mark.parametrize("longer", [{"epochs": 3}, {"steps": 15}], ids=str)
def test_a_finished_stage_of_more_steps_goes_on(verl, longer, capsys):
    first, trained = verl.train()
    assert first["steps"] == 10 and trained == [*range(1, 11)]
    assert verl.train()[1] == [] and "training was complete at step 10" in capsys.readouterr().err
    more, trained = verl.train(**longer)
    assert more["steps"] == 15 and trained == [*range(11, 16)] and more["fingerprint"] == first["fingerprint"]
    assert more["saved_steps"] == [4, 8, 12, 15], "the former end is due no more"
    assert verl.train(**longer)[1] == []


def test_less_memory_for_a_stage_goes_on_too(verl):
    verl.train(steps=4)
    changes = {"micro_batch_size": 1, "gpu_memory_utilization": 0.3, "gradient_checkpointing": False}
    assert verl.train(steps=8, **changes)[1] == [5, 6, 7, 8]


@pytest.mark.parametrize("shorter", [{"epochs": 1}, {"steps": 9}], ids=str)
def test_fewer_steps_than_are_trained_are_refused(verl, shorter):
    first, _ = verl.train()
    refusal = (
        rf"is trained up to step 10, beyond the {5 if 'epochs' in shorter else 9} that training.steps and epochs ask for; raise them, or"
    )
    with pytest.raises(UserError, match=refusal):
        verl.train(**shorter)
    again, trained = verl.train()
    assert again == first and not trained and verl.starts == 1


def test_fewer_steps_are_refused_when_only_verl_knows_how_many_an_epoch_has(verl):
    verl.dropped = 8
    assert verl.train(epochs=5)[0]["steps"] == 20
    with pytest.raises(UserError, match="trained up to step 20, beyond the 16 that"):
        verl.train(epochs=4)


def test_a_longer_training_that_was_killed_is_not_taken_for_the_finished_one(verl, monkeypatch):
    verl.train(steps=4)

    def killed(*arguments):
        verl.run(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(attempt, "run_verl", killed)
    with pytest.raises(KeyboardInterrupt):
        verl.train(steps=12)
    monkeypatch.setattr(attempt, "run_verl", verl.run)
    with pytest.raises(UserError, match="trained up to step 12, beyond the 4 that"):
        verl.train(steps=4)
    manifest, trained = verl.train(steps=16)
    assert manifest["steps"] == 16 and trained == [13, 14, 15, 16]


def test_steps_that_are_trained_again_count_once(verl):
    """A stage that its monitor ended goes on from its last checkpoint under another monitor: what came after was not saved."""
    verl.train(steps=8)
    (finished,) = verl.folder.glob("checkpoints/*/finished.json")
    write_checked_json(finished, {"steps": 8, "stopped_by": "collapse", "monitor": {}})
    shutil.rmtree(finished.parent / "global_step_8")
    manifest, trained = verl.train(steps=8)
    assert trained == [5, 6, 7, 8] and manifest["generated_tokens"] == 800


def test_a_supervised_stage_goes_on_and_trains_no_step_too_many(verl):
    polars.DataFrame({"problem": ["p"], "solution": ["s"]}).write_parquet(verl.folder / "s.parquet")
    table = polars.DataFrame({"prompt": [[{"role": "user", "content": "p"}]] * 40, "extra_info": [{"original_problem": "p"}] * 40})
    table.write_parquet(verl.folder / "train.parquet")
    stage = {"algorithm": "supervised", "solutions": str(verl.folder / "s.parquet")}
    assert verl.train(**stage)[0]["steps"] == 10
    assert verl.train(**stage, epochs=3)[1] == [*range(11, 16)]
    with pytest.raises(UserError, match="trained up to step 15, beyond the 10 that"):
        verl.train(**stage)
    (finished,) = verl.folder.glob("checkpoints/*/finished.json")
    finished.unlink()  # a kill between the last save and the end
    manifest, trained = verl.train(**stage, epochs=3)
    assert manifest["steps"] == 15 and not trained


@pytest.fixture
def commit(monkeypatch):
    """Let the workflow be of a commit."""

    def of(name):
        monkeypatch.setenv("MATHRL_GIT_COMMIT", name)
        provenance.git_commit.cache_clear()

    yield of
    provenance.git_commit.cache_clear()


def who(manifest):
    return [(entry["git_commit"], entry["first_step"], entry["last_step"]) for entry in manifest["trained_by"]]


def test_a_training_keeps_its_commit_whatever_is_committed_later(verl, commit):
    commit("first")
    verl.train()
    (note,) = verl.folder.glob("checkpoints/*/trained_by/*.json")
    written = note.read_bytes()
    commit("second")
    manifest, trained = verl.train()
    assert not trained and who(manifest) == [("first", 1, 10)] and manifest["provenance"]["git_commit"] == "second"
    commit("third")
    manifest, trained = verl.train(steps=15)
    assert who(manifest) == [("first", 1, 10), ("third", 11, 15)] and note.read_bytes() == written
    assert all(entry["model_sha256"] and entry["versions"] and entry["inputs"] for entry in manifest["trained_by"])


def test_steps_that_were_lost_belong_to_who_trained_them_again(verl, commit, monkeypatch):
    def killed(module, arguments, environment, log, session):
        raise KeyboardInterrupt

    commit("first")
    verl.train(steps=8)
    (finished,) = verl.folder.glob("checkpoints/*/finished.json")
    commit("second")
    monkeypatch.setattr(attempt, "run_verl", killed)
    with pytest.raises(KeyboardInterrupt):
        verl.train(steps=12)
    assert not finished.exists()
    commit("third")
    shutil.rmtree(finished.parent / "global_step_8")
    monkeypatch.setattr(attempt, "run_verl", verl.run)
    assert who(verl.train(steps=12)[0]) == [("first", 1, 4), ("third", 5, 12)]


def test_an_adopted_training_says_what_was_called_harmless_and_for_which_steps(verl, own_code, commit):
    commit("first")
    first, _ = verl.train(steps=8)
    assert first["harmless"] is None
    own_code.edit("reward.py", "NAME = 'another'\n")
    commit("second")
    manifest, trained = verl.train(steps=12, adopt=first["fingerprint"])
    assert trained == [9, 10, 11, 12] and manifest["fingerprint"] == first["fingerprint"]
    assert manifest["harmless"] == ["code of reward.py"]
    assert [entry["harmless"] for entry in manifest["trained_by"]] == [None, ["code of reward.py"]]
    assert manifest["trained_by"][0]["fingerprint"] == first["fingerprint"] != manifest["trained_by"][1]["fingerprint"]


def test_a_damaged_note_of_the_training_is_named_and_not_used(verl, commit, capsys):
    commit("first")
    verl.train()
    (note,) = verl.folder.glob("checkpoints/*/trained_by/*.json")
    note.write_text(note.read_text().replace('"first"', '"forst"'))
    manifest, _ = verl.train()
    assert who(manifest) == [("unknown", 1, 10)] and f"{note}: is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("damaged", ["", '{"steps": 99}', None])
def test_a_damaged_end_of_a_stage_is_made_again(verl, capsys, damaged):
    verl.train()
    (finished,) = verl.folder.glob("checkpoints/*/finished.json")
    whole = finished.read_text()
    finished.write_text(whole.replace("10", "11") if damaged is None else damaged)
    manifest, _ = verl.train()
    assert manifest["steps"] == 10 and f"{finished}: is" in capsys.readouterr().err and finished.read_text() == whole


def test_a_damaged_checkpoint_is_named_and_its_steps_are_trained_again(verl, capsys):
    verl.train()
    place = next(verl.folder.glob("checkpoints/*/global_step_8"))
    (place / "model.pt").write_bytes(b"weights")
    checkpoints.mark_complete(place)
    (place / "model.pt").write_bytes(b"weighty")
    manifest, trained = verl.train(steps=12)
    said = capsys.readouterr().err
    assert "global_step_8/model.pt: is damaged: it is not as it was saved; the checkpoint is removed" in said
    assert manifest["saved_steps"] == [4, 12] and trained == [11, 12]
