"""The choice of a checkpoint, progress lines, and what is refused before verl starts."""

import json
import math
import os
import shutil
import sys
import tempfile
import threading
import time

import psutil
import pytest
from mathrl.config.stage import Stage
from mathrl.core.files import UserError, write_json
from mathrl.models.checks import check_model
from mathrl.training import attempt, checkpoints
from mathrl.training import stage as training
from mathrl.training.budget import Spent
from mathrl.training.checkpoint_choice import choose, validation_curves
from mathrl.training.collapse import Monitor, describe, monitor_of
from mathrl.training.session import RAY_LATE, Progress, Session, parse
from mathrl.verl import stop_file
from support.models import NO_WEIGHTS
from support.settings import limits

STAGE = {"learning_rate": 1e-5, "rollout_n": 6, "choose": "best", "save_every": 200, "validate_every": 10}


@pytest.mark.parametrize(
    ("rule", "saved", "dev", "step", "why"),
    [
        ("best", [10, 20, 30], {"0": 0.1, "10": 0.5, "20": 0.7, "30": 0.6}, 20, "0.7000"),
        ("best", [10, 20, 30], {"0": 0.1, "10": 0.7, "20": 0.7, "30": 0.6}, 10, "highest"),  # the earlier of equals
        ("best", [10, 20], {"0": 0.9, "10": 0.1, "20": 0.2}, 0, "highest"),  # training only did harm: the start is exported
        ("best", [20], {"10": 0.9, "20": 0.2}, 20, "highest"),  # step 10 was validated, not saved
        ("best", [10], {}, 10, "none was validated"),
        ("best", [200, 400], {"0": 0.07, "30": 0.3}, 400, "none was validated"),  # the start was, but wins not by default
        ("best", [10, 17, 20], {"0": 0.1, "10": 0.5, "20": 0.4}, 10, "among steps 0, 10, 20; not validated: step 17"),
        ("last", [10, 20], {"10": 0.9, "20": 0.1}, 20, "as configured"),
        ("best", [], {}, 0, "no sound checkpoint"),
    ],
)
def test_choice_of_a_checkpoint(rule, saved, dev, step, why):
    chosen, reason = choose(rule, saved, dev)
    assert chosen == step and why in reason


@pytest.mark.parametrize("rule", ["best", "last"])
def test_no_checkpoint_after_a_collapse_is_chosen(rule):
    dev = {"10": 0.5, "20": 0.4, "30": 0.9}
    step, why = choose(rule, [10, 20, 30], dev, onset=25)
    assert step == (10 if rule == "best" else 20) and "from step 25 on are out" in why
    assert choose(rule, [10, 20, 30], dev, onset=5)[0] == 0


def test_a_comparison_takes_the_end_of_a_collapse_too():
    """A control that collapsed would else be the model that it began with, and its effect none."""
    step, why = choose("end", [10, 20, 30], {"10": 0.5}, onset=5)
    assert step == 30 and "collapsed from step 5 on" in why
    assert choose("end", [10, 20], {"10": 0.5}) == (20, "where training ended, as configured")
    assert choose("end", [], {})[0] == 0


def test_validation_curves_by_data_source():
    scalars = {
        "val-core/gsm8k/acc/mean@1": [(0, 0.07), (10, 0.2)],
        "val-aux/gsm8k/format/mean@1": [(0, 0.5)],
        "val-core/dev/acc/mean@1": [(0, 0.1)],
    }
    assert validation_curves(scalars) == {"gsm8k": {"0": 0.07, "10": 0.2}, "dev": {"0": 0.1}}


def test_progress_is_one_line_a_step():
    progress = Progress("train grpo", 60)
    first = "(TaskRunnerV1 pid=1) step:0 - val-core/dev/acc/mean@1:np.float64(0.25) - val-aux/num_turns/min:np.int32(2)"
    assert progress.line(*parse(first)) == "train grpo: step 0 of 60  validation dev 0.250"
    second = "step:1 - critic/score/mean:0.1234375 - response_length/mean:13.625 - timing_s/step:12.6"
    shown = progress.line(*parse(second))
    assert shown.startswith("train grpo: step 1 of 60  reward 0.123  length 14 tokens  validation dev 0.250")
    assert parse("(vLLM) loading step: model - done") is None
    assert parse("step:3 - actor/grad_norm:nan - critic/score/mean:np.float64(-1e-05)") == (
        3,
        {"actor/grad_norm": pytest.approx(float("nan"), nan_ok=True), "critic/score/mean": -1e-05},
    )


LIMITS = {"stop": False, "window": 2, "reward_drop": 0.5, "entropy_max": 3.0}


def session(tmp_path, monitor=LIMITS, **changes):
    stage = Stage(monitor=limits(**monitor), **{"save_every": 2, "keep_last": 1, **changes})
    monitor, spent = Monitor(stage.monitor), Spent(stage.budget, gpus=2)
    return Session(tmp_path, stage, Progress("train grpo", None), monitor, spent)


def line(step, reward=0.5, tokens=100, **more):
    metrics = {"critic/score/mean": reward, "training/generated_tokens": tokens, "timing_s/step": 3600, **more}
    return f"step:{step} - " + " - ".join(f"{key}:{value}" for key, value in metrics.items())


def test_of_several_validation_responses_the_mean_counts(tmp_path):
    """With `val_kwargs.n` of 4, verl logs the best and the majority of four as well."""
    run = session(tmp_path)
    more = {"val-core/dev/acc/mean@4": 0.25, "val-core/dev/acc/maj@4/mean": 0.5, "val-core/dev/acc/best@4/mean": 0.75}
    (shown,) = run.follow(line(2, **more))
    assert run.dev == {"2": 0.25} and "dev 0.250" in shown


def test_a_used_up_budget_finishes_the_stage(tmp_path):
    run = session(tmp_path, budget={"tokens": 250, "gpu_hours": None})
    assert len(list(run.follow(line(1)))) == 1 and stop_file.asked(tmp_path) is None
    assert "budget.tokens 250 used up to within a step (200)" in list(run.follow(line(2)))[1]
    assert stop_file.asked(tmp_path) == stop_file.FINISH, "step 3 is at work, and uses up what is left"
    assert "budget.tokens 250 used up (300)" in list(run.follow(line(3)))[1] and run.stopped_by == "budget.tokens 250 used up (300)"
    validated = session(tmp_path, budget={"tokens": None, "gpu_hours": 3.0})  # the GPUs are taken while they validate too
    assert "budget.gpu_hours 3 used up (3)" in list(validated.follow(line(1, **{"timing_s/testing": 1800})))[1]
    hours = session(tmp_path, budget={"tokens": None, "gpu_hours": 5.5})
    said = [text for step in (1, 2) for text in hours.follow(line(step, **{"timing_s/save_checkpoint": 1800}))]
    assert len(said) == 2, "a step without a save takes an hour on two GPUs"
    assert "budget.gpu_hours 5.5 used up (6)" in list(hours.follow(line(3)))[-1]


def test_a_budget_counts_the_steps_before_a_resume(tmp_path):
    run = session(tmp_path, budget={"tokens": 350, "gpu_hours": None})
    run.take_history(
        {"critic/score/mean": [(1, 0.5), (2, 0.5), (3, 0.5)], "training/generated_tokens": [(1, 100), (2, 100), (3, 100)]}, until=2
    )
    assert run.spent.tokens == 200 and run.last_step == 2  # step 3 was lost with the kill
    list(run.follow(line(3)))
    assert stop_file.asked(tmp_path) == stop_file.FINISH


def test_a_collapse_is_flagged_and_stops_only_where_asked(tmp_path):
    for stop in (False, True):
        run = session(tmp_path, monitor=LIMITS | {"stop": stop})
        said = [text for step, reward in enumerate([0.6, 0.6, 0.6, 0.1, 0.1], 1) for text in run.follow(line(step, reward))]
        assert "train grpo: collapse flagged at step 5: reward 0.1 is beyond 0.3 (monitor.reward_drop)" in said
        assert run.monitor.onset == 4
        assert stop_file.asked(tmp_path) == (stop_file.ABANDON if stop else None)


@pytest.mark.parametrize(
    ("dtype", "overflows", "flagged"),
    [
        ("bfloat16", {1}, [1]),
        ("float16", {1, 2, 3, 40, 41}, []),
        ("float16", set(range(1, 40)), [17]),
        ("float16", set(range(30, 60)), [46]),
    ],
    ids=["bfloat16", "the-scale-is-found", "never-finite", "diverges"],
)
def test_a_float16_gradient_may_overflow_until_the_scale_of_the_loss_fits(dtype, overflows, flagged):
    """verl's scaler skips such an update, and halves the scale: it begins at 65,536 and is tried anew after 400 updates."""
    monitor = monitor_of(Stage(dtype=dtype, monitor=limits(window=2)))
    for step in range(1, 61):
        monitor.add(step, {"actor/grad_norm": math.inf if step in overflows else 0.5})
    assert [flag["step"] for flag in monitor.flags] == flagged
    monitor.add(61, {"actor/pg_loss": math.nan})
    assert monitor.flags[-1]["metric"] == "loss", "a loss that is no number is flagged at once, in any precision"


# Process score and its correlation with correctness over six steps; the window is two. The bound is 0.3 below the best window.
HACKS = [
    ([0.5, 0.5, 0.6, 0.7, 0.8, 0.9], [0.6, 0.6, 0.5, 0.3, 0.1, 0.0], 5, "pleases the verifier, and is right less and less"),
    ([0.5, 0.5, 0.6, 0.7, 0.8, 0.9], [0.6, 0.6, 0.5, 0.5, 0.4, 0.4], None, "a small fall"),
    ([0.5, 0.5, 0.4, 0.4, 0.3, 0.2], [0.6, 0.6, 0.5, 0.3, 0.1, 0.0], None, "the score falls too: no hack, a collapse"),
    ([0.5, 0.5, 0.6, 0.7, 0.8, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], None, "learns"),
    ([0.5, 0.5, 0.6, 0.7, 0.8, 0.9], [None] * 6, None, "all answers are wrong: nothing to compare with"),
]


@pytest.mark.parametrize(("scores", "correlations", "step"), [case[:3] for case in HACKS], ids=[case[3] for case in HACKS])
def test_a_hack_of_the_verifier_is_flagged(scores, correlations, step):
    monitor = Monitor(limits(window=2, process_drop=0.3))
    for number, (score, correlation) in enumerate(zip(scores, correlations, strict=True), 1):
        metrics = {"process/score": score} | ({} if correlation is None else {"process/correlation": correlation})
        monitor.add(number, metrics)
    assert [flag["step"] for flag in monitor.flags] == ([] if step is None else [step])
    if step:
        assert (
            describe(monitor.flags[0]) == f"collapse flagged at step {step}: process_correlation 0.2 is beyond 0.3 (monitor.process_drop)"
        )


# Process scores of right answers over six steps, and the spread of all scores in the first two; the window is two, the limit one deviation.
RISES = [
    ([0.6, 0.6, 0.62, 0.64, 0.7, 0.7], 0.05, 5, "what right answers said before scores, now scores far more"),
    ([0.6, 0.6, 0.62, 0.64, 0.7, 0.7], 0.3, None, "a rise within what the scores differ by"),
    ([0.9, 0.9, 0.8, 0.7, 0.6, 0.5], 0.05, None, "a fall"),
    ([0.6, 0.6, 0.6, 0.61, 0.615, 0.62], 0.0, None, "a verifier that scores nearly all alike: less than the least spread"),
]


@pytest.mark.parametrize(("right", "spread", "step"), [case[:3] for case in RISES], ids=[case[3] for case in RISES])
def test_right_answers_that_please_the_verifier_more_are_flagged(right, spread, step):
    monitor = Monitor(limits(window=2, process_rise=1.0))
    for number, score in enumerate(right, 1):
        now = spread if number <= 2 else 9.0  # what the policy does to the spread later changes nothing
        monitor.add(number, {"process/spread": now, "process/score_right": score})
    assert [(flag["limit"], flag["step"]) for flag in monitor.flags] == ([] if step is None else [("process_rise", step)])


def test_what_asks_for_an_end_first_has_ended_the_stage(tmp_path):
    """A flag that did not stop the stage is no reason to throw away what a budget paid for, and the other way round."""
    falls = [0.6, 0.6, 0.1, 0.1, 0.1, 0.1]
    run = session(tmp_path, budget={"tokens": 600, "gpu_hours": None})
    said = [text for step, reward in enumerate(falls, 1) for text in run.follow(line(step, reward))]
    assert "collapse flagged at step 4" in " ".join(said) and run.monitor.flags
    assert (run.ended_by, stop_file.asked(tmp_path)) == ("budget", stop_file.FINISH)
    stop_file.clear(tmp_path)
    run = session(tmp_path, budget={"tokens": 500, "gpu_hours": None}, monitor=LIMITS | {"stop": True})
    said = [text for step, reward in enumerate(falls, 1) for text in run.follow(line(step, reward))]
    assert (run.ended_by, stop_file.asked(tmp_path)) == ("monitor", stop_file.ABANDON) and "collapse" in run.stopped_by


def save(root, step):
    directory = root / f"global_step_{step}"
    directory.mkdir()
    (directory / "weights").write_text("w")
    checkpoints.mark_complete(directory)


@pytest.mark.parametrize(("window", "last", "every"), [(10, 2, 2), (10, 1, 2), (10, 1, 4), (4, 2, 2), (3, 1, 5), (10, 3, 5)])
def test_a_collapse_always_leaves_a_checkpoint_from_before_its_window(tmp_path, window, last, every):
    """Whenever the flag comes, and the best on dev is always the newest; disk holds no more than the forecast of it says."""
    run = session(tmp_path, monitor=LIMITS | {"window": window}, save_every=every, keep_last=last)
    for step in range(1, 61):
        if step % every == 0:
            save(tmp_path, step)
        there = checkpoints.steps(tmp_path)
        assert len(there) <= checkpoints.most_at_once(60, every, last, None, window)
        list(run.follow(line(step, **{"val-core/dev/acc/mean@1": step / 100})))
        distrusted = step - window + 1
        sound = [saved for saved in checkpoints.steps(tmp_path) if saved < distrusted]
        assert sound or distrusted <= every, f"flagged at step {step}, no checkpoint before step {distrusted} is left of {there}"
        assert not sound or distrusted - sound[-1] <= 2 * window + every, "it is needlessly old"


def test_the_last_checkpoint_before_a_collapse_stays_while_training_goes_on(tmp_path):
    run = session(tmp_path, save_every=2, keep_last=1)
    for step in range(1, 31):
        if step % 2 == 0:
            save(tmp_path, step)
        list(run.follow(line(step, 0.6 if step < 12 else 0.1, **{"val-core/dev/acc/mean@1": 0.5 if step == 4 else 0.1})))
    assert run.monitor.onset == 12 and checkpoints.steps(tmp_path) == [4, 10, 30]  # the best, the last sound one, the newest


class Process:
    killed = False

    def kill(self):
        self.killed = True


def test_sigterm_kills_only_what_has_begun_no_step(tmp_path):
    """verl says how many steps there are when it begins the first; that one is saved as any other."""
    loading, stepping = Process(), Process()
    run = session(tmp_path)
    list(run.follow("step:0 - val-core/dev/acc/mean@1:0.5"))
    run.interrupt(loading)
    assert loading.killed and stop_file.asked(tmp_path) is None and run.dev == {"0": 0.5}
    run = session(tmp_path)
    list(run.follow(f"(TaskRunnerV1 pid=1) {stop_file.TOTAL}60"))
    run.interrupt(stepping)
    assert not stepping.killed and stop_file.asked(tmp_path) == stop_file.PAUSE


def test_a_supervised_stage_is_monitored_by_verls_other_names(tmp_path):
    run = session(tmp_path, monitor=LIMITS | {"grad_norm_max": 100.0})
    said = [text for step in range(1, 4) for text in run.follow(f"step:{step} - train/loss:1.5 - train/grad_norm:250.0")]
    assert "collapse flagged at step 2: grad_norm 250 is beyond 100 (monitor.grad_norm_max)" in " ".join(said)
    assert list(run.follow("step:4 - train/loss:nan - train/grad_norm:1.0"))[1].endswith("flagged at step 4: loss is nan")


def test_a_supervised_checkpoint_is_marked_complete_before_the_next_step_is_shown(tmp_path):
    """Who sees step 3 may kill: the checkpoint of step 2 is whole."""
    (tmp_path / "global_step_2").mkdir()
    (tmp_path / checkpoints.TRACKER).write_text("2")
    next(session(tmp_path).follow("step:3 - train/loss:1.5"))
    assert checkpoints.steps(tmp_path) == [2]


def test_a_number_that_is_none_flags_at_once(tmp_path):
    run = session(tmp_path)
    said = list(run.follow(line(1, **{"actor/grad_norm": "nan"})))
    assert said[1] == "train grpo: collapse flagged at step 1: grad_norm is nan"


def test_rays_trainer_by_hand_from_an_odd_folder_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a space/python"))
    with pytest.raises(UserError, match="Ray takes no such path"):
        attempt.run_verl(["-m", "verl.trainer.main_ppo"], [], {}, tmp_path / "verl.log", session(tmp_path))
    with pytest.raises(FileNotFoundError):  # the supervised stage's trainer is started as it is
        attempt.run_verl(["-m", "torch.distributed.run"], [], {}, tmp_path / "verl.log", session(tmp_path))


def test_a_trainer_that_falls_silent_is_ended_with_its_children(tmp_path, capfd):
    code = "import subprocess, time; print('loading', flush=True); subprocess.run(['sleep', '300'])"
    run = session(tmp_path, monitor=LIMITS | {"stall_minutes": 0.15})  # a third of it until the first step
    began = time.monotonic()
    assert attempt.run_verl(["-c", code], [], {}, tmp_path / "verl.log", run) == -9
    assert run.hung and 3 <= time.monotonic() - began < 60
    assert "train grpo: verl printed nothing for 0.05 minutes: ended" in capfd.readouterr().err
    assert (tmp_path / "verl.log").read_text() == "loading\n"
    lively = session(tmp_path, monitor=LIMITS | {"stall_minutes": 0.15})
    talks = "import time; [(print(n, flush=True), time.sleep(0.5)) for n in range(10)]"
    assert attempt.run_verl(["-c", talks], [], {}, tmp_path / "verl.log", lively) == 0 and not lively.hung


def test_the_limit_of_silence_follows_the_steps(tmp_path, monkeypatch):
    """Once three steps are measured, ten times the longest silence since verl was started is enough, and 10 minutes at least."""
    now = [1000.0]
    monkeypatch.setattr("mathrl.training.session.time.monotonic", lambda: now[0])
    run = session(tmp_path, monitor=LIMITS | {"stall_minutes": 60})

    def after(seconds, text):
        now[0] += seconds
        list(run.follow(text))

    assert run.silence_limit() == 1200
    after(900, "loading\n")  # the start is no measure
    after(900, f"{stop_file.TOTAL}50\n")
    assert run.silence_limit() == 3600
    for step, seconds in ((1, 100), (2, 20)):
        after(seconds, line(step))
        assert run.silence_limit() == 3600
    after(20, line(3))
    assert run.silence_limit() == 1000
    run.longest_silence = 5.0
    assert run.silence_limit() == 600
    run.longest_silence = 500.0
    assert run.silence_limit() == 3600


@pytest.mark.parametrize(("seconds", "limit"), [(2000.0, 3600), (200.0, 2000), (5.0, 600), (None, 3600)])
def test_the_limit_of_silence_after_a_resume_follows_the_steps_before(tmp_path, seconds, limit):
    """Before: ten minutes, whatever a step took, so that a step of eleven silent minutes was ended at every resume."""
    run = session(tmp_path, monitor=LIMITS | {"stall_minutes": 60})
    scalars = {"actor/grad_norm": [(step, 1.0) for step in range(1, 6)]}
    scalars |= {"timing_s/step": [(step, seconds) for step in range(1, 6)]} if seconds else {}
    run.take_history(scalars, 4)
    assert run.last_step == 4 and run.silence_limit() == 1200
    list(run.follow(f"{stop_file.TOTAL}50\n"))
    assert run.silence_limit() == limit


def test_the_network_between_nodes_is_said_once(tmp_path):
    run = session(tmp_path)
    text = "(WorkerDict pid=9, ip=10.0.0.2) n2:9:12 [0] NCCL INFO Using network Socket\n"
    assert list(run.follow(text)) == ["train grpo: between nodes NCCL uses Socket (TCP)"]
    assert list(run.follow(text)) == []
    other = session(tmp_path)
    assert list(other.follow("n1:9:12 [0] NCCL INFO Using network IB\n")) == ["train grpo: between nodes NCCL uses IB"]


def test_ray_that_started_too_slowly_gets_a_second_attempt(tmp_path, capfd):
    """A program that says what Ray says then; a third attempt is not made."""
    code = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); n = int(p.read_text()) if p.exists() else 0; p.write_text(str(n + 1))"
    code += f"; print('started') if n == int(sys.argv[2]) else sys.exit({RAY_LATE!r})"
    for late, ends in ((1, 0), (2, 1)):
        place = session(tmp_path, monitor=LIMITS | {"stall_minutes": None})
        assert attempt.run_verl(["-c", code, str(tmp_path / f"attempts{late}"), str(late)], [], {}, tmp_path / "verl.log", place) == ends
        assert (tmp_path / f"attempts{late}").read_text() == "2"
        assert capfd.readouterr().err.count("train grpo: Ray did not start in the time it gives itself: a second attempt") == 1


@pytest.mark.full
def test_ray_that_starts_too_slowly_gets_a_second_attempt(tmp_path, stop_ray_agent, capfd):
    """With a real Ray, whose agent is stopped at the first attempt."""
    stopper = threading.Thread(target=stop_ray_agent, args=(os.getpid(),))
    stopper.start()
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: it holds sockets
    code = f"import ray; ray.init(num_cpus=1, include_dashboard=False, _temp_dir={place!r}); print('started')"
    try:
        assert (
            attempt.run_verl(["-c", code], [], {}, tmp_path / "verl.log", session(tmp_path, monitor=LIMITS | {"stall_minutes": None})) == 0
        )
    finally:
        stopper.join()
        for process in psutil.process_iter(["cmdline"]):
            if any(place in word for word in process.info["cmdline"] or []):
                process.kill()
        shutil.rmtree(place)
    assert "train grpo: Ray did not start in the time it gives itself: a second attempt" in capfd.readouterr().err
    log = (tmp_path / "verl.log").read_text()
    assert log.count(RAY_LATE) == 1 and "started" in log


def test_a_pause_stays_a_pause(tmp_path):
    stop_file.ask(tmp_path, stop_file.PAUSE)
    stop_file.ask(tmp_path, stop_file.ABANDON)
    assert stop_file.asked(tmp_path) == stop_file.PAUSE
    stop_file.clear(tmp_path)
    stop_file.clear(tmp_path)
    assert stop_file.asked(tmp_path) is None


def test_a_finished_stage_goes_on_where_its_budget_was_raised():
    state = {"steps": 10, "stopped_by": "budget", "budget": {"tokens": 100, "gpu_hours": None}}
    assert training.is_over(state, Stage(budget={"tokens": 100}))
    assert not training.is_over(state, Stage(budget={"tokens": 200}))
    assert training.is_over({"steps": 10, "stopped_by": None}, Stage())
    state = {"steps": 10, "stopped_by": "collapse", "monitor": limits(**LIMITS, stall_minutes=60).model_dump()}
    assert training.is_over(state, Stage(monitor=limits(**LIMITS, stall_minutes=5)))  # ends what hangs, no matter of collapse
    assert not training.is_over(state, Stage(monitor=limits(**LIMITS | {"window": 3}, stall_minutes=60)))


@pytest.mark.parametrize(
    ("files_there", "message"), [([], "config.json is missing"), (["config.json"], "holds no weights"), (None, "no such directory")]
)
def test_a_directory_that_is_no_model_is_refused(tmp_path, files_there, message):
    model = tmp_path / "model"
    for name in files_there or []:
        model.mkdir(exist_ok=True)
        (model / name).write_text("{}")
    if files_there == []:
        model.mkdir()
    with pytest.raises(UserError, match=message):
        check_model(model)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (NO_WEIGHTS[:9], "cut off in its header"),
        (b"\x40" + bytes(7) + b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}   ' + bytes(4), "cut off in its tensors"),
        (NO_WEIGHTS + b"more", "longer than it says"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer that was never fetched"),
    ],
)
def test_half_written_weights_are_refused_in_one_line(tmp_path, content, reason):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: is no whole safetensors file; fetch or copy the model again"):
        check_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(NO_WEIGHTS)
    check_model(tmp_path)
    write_json(tmp_path / "model.safetensors.index.json", {"weight_map": {"a": "model-00002-of-2.safetensors"}})
    with pytest.raises(UserError, match=r"model-00002-of-2\.safetensors, which .* names, is missing"):
        check_model(tmp_path)


def test_script_refuses_in_one_line(script):
    done = script(
        "train_policy.py",
        "--run",
        "r",
        "--config",
        json.dumps(STAGE),
        "--model",
        "nowhere",
        "--train",
        "t",
        "--validation",
        "v",
        "--manifest",
        "m.json",
    )
    assert done.returncode == 2
    assert (
        done.stderr == "error: nowhere: is no Hugging Face model, config.json is missing (no such directory); "
        "check the name in the config (base_model, or model of a verifier)\n"
    )


def test_no_room_for_a_checkpoint_is_said_before_training(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    with open(model / "model.safetensors", "wb") as weights:
        weights.truncate(2**42)  # a hole of 4 TiB: takes no room itself, its checkpoints would take 28 TiB
    with pytest.raises(UserError, match=r"a checkpoint takes about .* GB are free; make room there"):
        attempt.check_space(tmp_path / "checkpoints/grpo/main", model)
