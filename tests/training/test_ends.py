"""How a stage ends and goes on: `training.train` whole, around a trainer that steps, saves, validates and logs as verl's does."""

import os
import signal
import subprocess

import pytest
from mathrl.core.files import UserError, read_json
from mathrl.execution import notices, processes
from mathrl.training import attempt, checkpoints, flags
from mathrl.training import stage as training
from mathrl.training.plan import StagePlan
from mathrl.verl import stop_file
from support.models import NO_WEIGHTS
from support.settings import stage_of
from support.waiting import wait_for

MONITOR = {"stop": False, "window": 2, "reward_drop": 0.5, "entropy_max": 3.0, "grad_norm_max": 100.0, "stall_minutes": None}


class Verl:
    """In place of `run_verl`. `metrics(step)` are what a step logs; `before(step)` runs before the step looks for a stop."""

    def __init__(self, total=8):
        self.total, self.before = total, lambda step: None
        self.metrics = lambda step: {"critic/score/mean": 0.5}
        self.accuracy = lambda step: 0.1 + step / 100
        self.stepped, self.validated = [], []
        self.cut = 0  # solutions
        self.killed = None  # (step, "saved" or "logged"): at this point, once

    def __call__(self, module, arguments, environment, log, session):
        from torch.utils.tensorboard import SummaryWriter

        self.environment = environment
        keys = dict(argument.split("=", 1) for argument in arguments)
        place, supervised = session.directory, "mathrl.verl.sft_trainer" in module
        saved = checkpoints.steps(place)
        step = saved[-1] if saved else 0
        writer = SummaryWriter(environment["TENSORBOARD_DIR"])
        said = self.said = []

        def tell(step, metrics):
            for key, value in metrics.items():
                writer.add_scalar(key, value, step)
            said.extend(session.follow(f"step:{step} - " + " - ".join(f"{key}:{value}" for key, value in metrics.items()) + "\n"))

        def validation(step):
            self.validated.append(step)
            return {"val-core/dev/acc/mean@1": self.accuracy(step)}

        if keys.get("trainer.val_before_train") == "true":
            tell(step, validation(step))
        said.extend(session.follow(f"{stop_file.TOTAL}{self.total}\n"))
        last = self.total
        save, validate = int(keys["trainer.save_freq"]), int(keys.get("trainer.test_freq", 0))
        begun = False
        while step < last or (supervised and not begun):  # the SFT trainer takes a step before it looks how many there are
            begun = True
            step += 1
            self.stepped.append(step)
            self.before(step)
            asked = stop_file.asked(place)
            last = step if asked else last
            if supervised:
                tell(step, self.metrics(step))
            if (step == last or step % save == 0) and asked != stop_file.ABANDON:
                directory = place / f"global_step_{step}"
                directory.mkdir()
                (directory / "weights").write_text("w")
                (place / checkpoints.TRACKER).write_text(str(step))
                if not supervised:
                    checkpoints.mark_complete(directory)
            if self.killed == (step, "saved"):
                break
            if not supervised:
                checked = validate and (step % validate == 0 or step % save == 0 or step == last) and asked in (None, stop_file.FINISH)
                tell(step, self.metrics(step) | {"timing_s/step": 1.0} | (validation(step) if checked else {}))
            if self.killed == (step, "logged"):
                break
        writer.close()
        code = -9 if self.killed else 0
        self.killed = None
        return code


@pytest.fixture
def verl(monkeypatch):
    fake = Verl()
    monkeypatch.setattr(attempt, "run_verl", fake)
    monkeypatch.setattr(attempt.sft_messages, "too_long", lambda messages, model, limit: fake.cut)  # the model here has no tokenizer
    monkeypatch.setattr(attempt.long_prompts, "keys", lambda *_: {})
    return fake


@pytest.fixture
def train(config, tmp_path, capsys, own_code):
    """Train with changes of the default stage; returns manifest and what was said."""
    import polars

    (tmp_path / "val.parquet").write_bytes(b"rows")
    rows = [{"prompt": [{"role": "user", "content": "1+1?"}], "extra_info": {"index": 0, "original_problem": "1+1?"}}]
    polars.DataFrame(rows).write_parquet(tmp_path / "train.parquet")
    polars.DataFrame({"problem": ["1+1?"], "solution": ["\\boxed{2}"]}).write_parquet(tmp_path / "solutions.parquet")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(NO_WEIGHTS)

    def call(**changes):
        stage = {"gpus": 1, "save_every": 2, "validate_every": 2, "keep_last": 2, "monitor": MONITOR, "steps": 8}
        if changes.get("algorithm") == "supervised":
            stage |= {"solutions": str(tmp_path / "solutions.parquet"), "train_batch_size": 1}
        plan = StagePlan(
            run="x",
            stage_name="main",
            stage=stage_of(config, **stage | changes),
            accelerator="cpu",
            model=model,
            train_file=tmp_path / "train.parquet",
            validation_file=tmp_path / "val.parquet",
            root=tmp_path / "checkpoints",
            log=tmp_path / "verl.log",
        )
        training.train(plan, tmp_path / "manifest.json")
        return read_json(tmp_path / "manifest.json"), capsys.readouterr().err

    return call


@pytest.fixture
def sigterm(verl, monkeypatch):
    """SIGTERM in a step: the session that trains is told."""
    at = {}

    def run(module, arguments, environment, log, session):
        verl.before = lambda step: session.interrupt(None) if at.pop(step, None) else None
        return verl(module, arguments, environment, log, session)

    monkeypatch.setattr(attempt, "run_verl", run)
    return lambda step: at.update({step: True})


def falls(first, reward=0.1):
    """Metrics of a run whose reward collapses at step `first`."""
    return lambda step: {"critic/score/mean": reward if step >= first else 0.6}


def test_a_rerun_of_a_finished_stage_keeps_its_flags(verl, train):
    """A number that is none is a flag of the history too; without it a checkpoint from after it would be chosen."""
    verl.metrics = lambda step: {"critic/score/mean": 0.5, "actor/grad_norm": float("nan") if step >= 6 else 1.0}
    first, _ = train(keep_last=8)
    again, said = train(keep_last=8)
    assert [flag["limit"] for flag in first["collapse"]] == ["not_finite"] and first["chosen_step"] == 4
    assert "nothing to train" in said and (again["collapse"], again["chosen_step"]) == (first["collapse"], 4)


def test_a_collapse_is_told_once_and_noted_beside_the_checkpoints(verl, train, tmp_path, monkeypatch):
    """By the program of the user's that `notices` names; a rerun that replays the flag says nothing again."""
    told = tmp_path / "told"
    monkeypatch.setenv(notices.SETTINGS, "{}")
    notices.configure(["sh", "-c", f"cat >> '{told}'"], None, None)
    verl.metrics = falls(3)
    manifest, _ = train()
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"), 30, "the notice")
    assert told.read_text().count("collapse flagged at step") == 1 and "reward" in told.read_text()
    (directory,) = tmp_path.glob("checkpoints/**/flags.json")
    assert flags.noted(directory.parent) == manifest["collapse"]
    train(steps=9)
    assert told.read_text().count("collapse flagged at step") == 1


def test_monitor_stop_ends_a_stage_that_collapsed_before_it_was_set(verl, train, sigterm):
    """A user sees a flag, presses Ctrl-C, sets monitor.stop, and calls again."""
    verl.metrics = falls(3)
    sigterm(5)
    with pytest.raises(attempt.Paused):
        train()
    manifest, said = train(monitor=MONITOR | {"stop": True})
    assert verl.stepped == [1, 2, 3, 4, 5], "it trained on"
    assert manifest["steps"] == 5 and "collapse flagged at step 4" in manifest["stopped_by"] and manifest["chosen_step"] == 2
    assert "ends at step 5, as monitor.stop asks: collapse flagged at step 4" in said
    manifest, said = train(monitor=MONITOR | {"stop": True})
    assert "training was complete at step 5 (collapse flagged at step 4" in said and manifest["chosen_step"] == 2


def test_what_does_not_concern_a_collapse_does_not_reopen_a_stage(verl, train):
    verl.metrics = falls(3)
    stops = MONITOR | {"stop": True}
    first, _ = train(monitor=stops, save_every=3)
    assert first["steps"] == 5 and first["saved_steps"] == [3]
    for monitor in (stops | {"stall_minutes": 5}, stops | {"window": 3}, stops | {"entropy_max": 4.0}):
        manifest, said = train(monitor=monitor, save_every=3)
        assert len(verl.stepped) == 5 and "nothing to train" in said
        assert manifest["steps"] == 5 and manifest["stopped_by"].startswith("collapse flagged at step")


@pytest.mark.parametrize("changes", [{"reward_drop": None}, {"stop": False}])
def test_limits_that_no_longer_stop_it_let_a_stage_go_on_from_its_checkpoint(verl, train, changes):
    verl.metrics = lambda step: falls(3)(step) | {"training/generated_tokens": 100}
    stops = MONITOR | {"stop": True}
    train(monitor=stops, save_every=3)
    manifest, said = train(monitor=stops | changes, save_every=3)
    assert "goes on from step 3" in said and verl.stepped == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8]
    assert manifest["steps"] == 8 and manifest["generated_tokens"] == 800, "steps 4 and 5 were counted twice"
    assert [flag["step"] for flag in manifest["collapse"]] == ([] if "reward_drop" in changes else [4])


def test_a_budget_that_ends_a_stage_after_a_flag_keeps_its_work(verl, train):
    verl.metrics = lambda step: {"critic/score/mean": 0.1 if step in (3, 4) else 0.6, "training/generated_tokens": 100}
    manifest, _ = train(budget={"tokens": 500, "gpu_hours": None})
    assert manifest["steps"] == 5 and manifest["stopped_by"] == "budget.tokens 500 used up (500)"
    assert manifest["saved_steps"][-1] == 5 and "5" in manifest["validation"]["dev"] and manifest["collapse"]
    manifest, said = train(budget={"tokens": 550, "gpu_hours": None})  # raised by less than a step
    assert "nothing to train" in said and manifest["stopped_by"] == "budget.tokens 550 used up to within a step (500)"
    manifest, said = train(budget={"tokens": None, "gpu_hours": None})
    assert manifest["steps"] == 8 and manifest["stopped_by"] is None and "goes on from step 5" in said


@pytest.mark.parametrize("budget", [300, 420, 500, 650])
def test_a_budget_ends_a_stage_with_the_step_that_uses_it_up(verl, train, budget):
    """Also where responses grow: less than a step is too much."""
    tokens = [100, 120, 140, 160, 180, 200, 220, 240]
    verl.metrics = lambda step: {"critic/score/mean": 0.6, "training/generated_tokens": tokens[step - 1]}
    manifest, _ = train(budget={"tokens": budget, "gpu_hours": None})
    assert budget <= manifest["generated_tokens"] < budget + tokens[manifest["steps"] - 1], manifest["steps"]


def test_a_kill_after_the_last_step_of_a_budget_adds_none(verl, train):
    verl.metrics = lambda step: {"critic/score/mean": 0.6, "training/generated_tokens": 100}
    verl.killed = (5, "logged")
    with pytest.raises(UserError):
        train(budget={"tokens": 500, "gpu_hours": None})
    manifest, _ = train(budget={"tokens": 500, "gpu_hours": None})
    assert manifest["steps"] == 5 and verl.stepped == [1, 2, 3, 4, 5] and manifest["stopped_by"] == "budget.tokens 500 used up (500)"


def test_a_reopened_stage_forgets_its_earlier_end(verl, train):
    """Killed on its way, and called again with the budget that had ended it: what it learnt beyond that end counts."""
    verl.metrics = lambda step: {"critic/score/mean": 0.6, "training/generated_tokens": 100}
    small, none = {"tokens": 200, "gpu_hours": None}, {"tokens": None, "gpu_hours": None}
    assert train(budget=small)[0]["steps"] == 2
    verl.killed = (7, "logged")
    with pytest.raises(UserError):
        train(budget=none)
    manifest, said = train(budget=small)
    assert "training was complete" not in said and manifest["steps"] == 6 == manifest["saved_steps"][-1], "saved and validated there"


def test_a_budget_used_up_before_a_pause_is_one_step_over(verl, train, sigterm):
    verl.metrics = lambda step: {"critic/score/mean": 0.6, "training/generated_tokens": 100}
    sigterm(5)
    with pytest.raises(attempt.Paused):
        train()
    manifest, _ = train(budget={"tokens": 400, "gpu_hours": None})
    assert manifest["steps"] == 6 and "6" in manifest["validation"]["dev"] and manifest["generated_tokens"] == 600


@pytest.mark.parametrize("stop", [False, True])
def test_a_supervised_stage_is_monitored(verl, train, stop):
    verl.metrics = lambda step: {"train/loss": float("nan") if step >= 6 else 1.0, "train/grad_norm": 1.0, "train/lr": 1e-5}
    manifest, _ = train(algorithm="supervised", monitor=MONITOR | {"stop": stop}, keep_last=1)
    assert manifest["collapse"][0] == {"limit": "not_finite", "metric": "loss", "step": 6, "value": "nan", "bound": None}
    assert manifest["chosen_step"] == 4 and "are out, the run collapsed there" in manifest["chosen_why"]
    assert manifest["steps"] == (7 if stop else 8)


def test_a_supervised_stages_gradient_is_bounded(verl, train):
    verl.metrics = lambda step: {"train/loss": 1.0, "train/grad_norm": 1000.0 if step >= 5 else 1.0}
    manifest, _ = train(algorithm="supervised")
    assert [flag["limit"] for flag in manifest["collapse"]] == ["grad_norm_max"] and manifest["chosen_step"] == 2  # window 4–5


def test_each_checkpoint_is_validated_whatever_it_takes(verl, train, sigterm):
    """Neither a pause, nor a kill between save and validation, leaves a checkpoint that `best` cannot choose."""
    sigterm(3)
    with pytest.raises(attempt.Paused):
        train(save_every=4, validate_every=100, validate_before=False)
    assert verl.validated == []
    verl.killed = (4, "saved")
    with pytest.raises(UserError):
        train(save_every=4, validate_every=100, validate_before=False)
    assert verl.validated == [3]
    verl.killed = (8, "saved")
    with pytest.raises(UserError):
        train(save_every=4, validate_every=100, validate_before=False)
    assert verl.validated == [3, 4]
    manifest, _ = train(save_every=4, validate_every=100, validate_before=False)
    assert verl.validated == [3, 4, 8] and verl.stepped == list(range(1, 9))
    assert manifest["chosen_step"] == 8 and manifest["steps"] == 8


def test_a_validated_checkpoint_is_not_validated_again(verl, train):
    verl.killed = (4, "logged")
    with pytest.raises(UserError):
        train()
    train()
    assert verl.validated == [0, 2, 4, 6, 8]


def test_solutions_that_are_cut_are_counted(verl, train):
    verl.metrics = lambda step: {"train/loss": 1.0}
    verl.cut = 1
    _, said = train(algorithm="supervised")
    assert "train x: 1 of 1 solutions are cut off" in said and "together (2560); raise max_response_length" in said


@pytest.mark.parametrize("algorithm", ["grpo", "supervised"])
def test_sigterm_in_the_last_step_finishes(verl, train, sigterm, algorithm):
    if algorithm == "supervised":
        verl.metrics = lambda step: {"train/loss": 1.0}
    sigterm(8)
    manifest, _ = train(algorithm=algorithm)
    assert manifest["steps"] == 8 and manifest["stopped_by"] is None and manifest["saved_steps"][-1] == 8


def test_a_supervised_stage_killed_after_its_last_save_trains_no_step_more(verl, train, tmp_path):
    verl.metrics = lambda step: {"train/loss": 1.0}
    train(algorithm="supervised")
    (place,) = (path.parent for path in (tmp_path / "checkpoints").glob("*/fingerprint.json"))
    (place / "finished.json").unlink()
    manifest, _ = train(algorithm="supervised")
    assert len(verl.stepped) == 8 and manifest["steps"] == 8


@pytest.mark.parametrize("harm", [lambda whole: b"", lambda whole: whole[: len(whole) // 2]], ids=["emptied", "cut"])
def test_damaged_curves_choose_no_other_checkpoint(verl, train, tmp_path, harm):
    """The best was step 4: without its accuracy another would be exported, and a later start would keep others."""
    verl.accuracy = lambda step: 0.9 if step == 4 else 0.1
    assert train(choose="best", keep_last=9)[0]["chosen_step"] == 4
    (events,) = (tmp_path / "checkpoints").glob("*/tensorboard/*")
    whole = events.read_bytes()
    events.write_bytes(harm(whole))
    (tmp_path / "manifest.json").unlink()
    for steps in (8, 10):  # it is finished; it goes on
        verl.total = steps
        with pytest.raises(UserError, match=rf"^{events}: is damaged: it is not as it was written; checkpoints are chosen"):
            train(choose="best", keep_last=9, steps=steps)
    assert not (tmp_path / "manifest.json").exists()
    events.write_bytes(whole)
    assert train(choose="best", keep_last=9)[0]["chosen_step"] == 4


def test_curves_of_a_killed_training_are_checked_as_far_as_it_saved(verl, train, tmp_path):
    verl.killed = (5, "logged")
    with pytest.raises(UserError, match="exit code -9"):
        train()
    (events,) = (tmp_path / "checkpoints").glob("*/tensorboard/*")
    events.write_bytes(events.read_bytes()[:100])
    with pytest.raises(UserError, match=rf"^{events}: is damaged"):
        train()
    (events.parents[1] / "logged.json").unlink()  # the user goes on with what is left
    assert train()[0]["steps"] == 8


def test_steps_that_a_kill_took_back_are_no_part_of_the_manifest(verl, train):
    verl.metrics = lambda step: falls(3)(step) | {"training/tokens": 10}
    verl.killed = (7, "logged")
    with pytest.raises(UserError):
        train(validate_every=1)
    manifest, _ = train(monitor=MONITOR | {"stop": True})
    assert manifest["steps"] == 6 and manifest["tokens"] == 60 and "7" not in manifest["validation"]["dev"]


@pytest.mark.parametrize("algorithm", ["grpo", "supervised"])
@pytest.mark.parametrize(("change", "threads"), [({}, "1"), ({"deterministic": False}, None), ({"dtype": "bfloat16"}, None)], ids=str)
def test_a_deterministic_training_has_one_thread_whatever_cores_snakemake_has(verl, train, algorithm, change, threads):
    train(algorithm=algorithm, **{"dtype": "float32"} | change)
    assert {verl.environment.get(f"{name}_NUM_THREADS") for name in ("OMP", "MKL", "OPENBLAS")} == {threads}


def test_two_trainers_never_write_in_one_directory(verl, train, tmp_path):
    """A second one is refused and told who trains; a lock that a dead process held is none."""
    train()
    (directory,) = (path.parent for path in tmp_path.glob("checkpoints/*/fingerprint.json"))
    holder = subprocess.Popen(["flock", str(directory / "writer.lock"), "sleep", "60"], start_new_session=True)
    wait_for(lambda: processes.holders((directory / "writer.lock").resolve()), 10, "the lock")
    with pytest.raises(UserError, match=r"trains here already; wait for it, or stop it: kill \d+"):
        train()
    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait()
    assert "nothing to train" in train()[1]


def test_what_a_killed_supervisor_left_training_is_ended_by_the_next_trainer(verl, train, tmp_path):
    train()
    (directory,) = (path.parent for path in tmp_path.glob("checkpoints/*/fingerprint.json"))
    dead = subprocess.Popen(["true"])
    job = f"{dead.pid}.1.{processes.world()}.abcd"
    dead.wait()
    orphan = subprocess.Popen(["flock", str(directory / "writer.lock"), "sleep", "60"], env={**os.environ, processes.JOB: job})
    wait_for(lambda: processes.holders((directory / "writer.lock").resolve()), 10, "the lock")
    (directory / "writer.lock").write_text(job)
    assert "nothing to train" in train()[1]
    assert orphan.wait(timeout=10) != 0
