"""One training of a few steps with much in it: the variant dapo, hostile answers among its rewards, and SIGTERM in the middle.

It starts from the demo's base model, which answers some problems right. tests/grading/hostile_reward.py puts a hostile answer in the place
of each sixth. That the same command goes on after a pause is shown by the demo itself (test_demo.py), which trains beside it.
"""

import contextlib
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mathrl.core.tensorboard import read_scalars
from mathrl.execution import processes, secrets
from mathrl.grading import STATUSES, grade
from mathrl.training import checkpoints
from support import kills, strangers, variants
from support.speed import slowness
from support.waiting import wait_for

from .conftest import ROOT, ShortTraining

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(3600)]

PROMPTS, UPDATES = 6, 3
STEPS = 300  # more than it ever takes: it is paused once strangers have been at its doors


class Paused:
    """What the training left: its checkpoint directory, curves by tag, calls of the reward, kept rollouts by step."""

    def __init__(self, short: ShortTraining, code: int, doors: dict) -> None:
        self.short, self.code, self.doors = short, code, doors
        self.directory = short.directory()
        self.saved = checkpoints.steps(self.directory)
        self.curves = {tag: [value for _, value in points] for tag, points in read_scalars(self.directory / "tensorboard").items()}
        self.calls = [json.loads(line) for line in (short.place / "calls.jsonl").read_text().splitlines()]
        self.steps = range(1, self.saved[-1] + 1)
        self.rollouts = [
            [json.loads(line) for line in (self.directory / f"rollouts/{step}.jsonl").read_text().splitlines()] for step in self.steps
        ]


@pytest.fixture(scope="module")
def paused(begun, tmp_path_factory):
    short = ShortTraining(begun, tmp_path_factory.mktemp("short"))
    mini = PROMPTS // UPDATES
    batch = {"train_batch_size": PROMPTS, "mini_batch_size": mini, "micro_batch_size": mini * 4, "micro_batch_size_log_prob": PROMPTS * 4}
    more = {"steps": STEPS, "save_every": STEPS, "validate_before": False, "choose": "last", "rollouts_per_step": 1000}
    stage = short.stage("dapo", **batch, **more, overlong_penalty={"buffer": 30, "factor": 0.5})
    stage["verl"] = {"trainer.test_freq": -1, "reward.custom_reward_function.path": str(ROOT / "tests/grading/hostile_reward.py")}
    process = short.start(stage, run="dapo", environment={"MATHRL_HOSTILE_LOG": str(short.place / "calls.jsonl")})

    def stepped():
        assert process.poll() is None, short.said() + short.log()[-4000:]
        return short.reached() >= 1

    wait_for(stepped, 600, "a step")
    doors = look_for_doors(process.pid, short.place)
    process.send_signal(signal.SIGTERM)
    return Paused(short, process.wait(timeout=180), doors)


def look_for_doors(pid: int, place: Path) -> dict:
    """What listens in a training, what strangers get there, and its secrets."""
    tree = processes.descendants(pid)
    secrets_of = [processes.environment(one).get(name) for one in tree for name in (secrets.TOKEN, secrets.ENGINE_KEY)]
    found = {
        "listeners": strangers.listeners(pid),
        "sockets": strangers.unix_listeners(pid),
        "secrets": set(filter(None, secrets_of)),
        "visits": {},
        "places": kills.places(tree),
    }
    found["by mode"] = {path: not path.startswith("@") and strangers.closed_by_mode(path) for path in found["sockets"]}
    jobs = [Path(place) for place in found["places"] if os.path.isdir(place)]  # Ray's directory goes with the job
    found["in files"] = [path for job in jobs for path in holding(job, found["secrets"])]
    found["commands"] = "".join(Path(f"/proc/{one}/cmdline").read_text() for one in tree if processes.start_time(one))
    if os.geteuid() == 0:  # only root can be somebody else
        # first, while all are there: the visits take up to a minute, and a fast machine trains many steps meanwhile
        found["open"] = strangers.knock(sorted(found["sockets"]), *strangers.AS_ANOTHER_USER)
        found["mine"] = strangers.knock(sorted(found["sockets"]))
        ways = {"user": strangers.AS_ANOTHER_USER, "network": strangers.FROM_ANOTHER_NETWORK}
        where = sorted(found["listeners"])
        token = next(token for one in tree if (token := processes.environment(one).get(secrets.TOKEN)))
        with ThreadPoolExecutor(3) as all_at_once:
            owner = all_at_once.submit(strangers.visit, where, place / "owner", token=token)
            visits = {who: all_at_once.submit(strangers.visit, where, place / who, *way) for who, way in ways.items()}
        found["visits"] = {who: visit.result() for who, visit in visits.items()}
        found["owner"] = owner.result()
    return found


def holding(folder: Path, words: set[str]) -> list[Path]:
    """Files below a folder that hold one of these words; a file of a process at work may go meanwhile."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size < 1 << 22 and any(word.encode() in path.read_bytes() for word in words):
                found.append(path)
    return found


def test_nothing_listens_beyond_loopback(paused):
    assert len(paused.doors["listeners"]) > 10  # Ray's, verl's queue, vLLM's
    assert [address for address in paused.doors["listeners"] if not address.startswith("127.0.0.1:")] == []


def test_no_unix_socket_lets_another_user_connect(paused):
    """Ray's store and raylet, verl's weight sync, Python's own: each is closed by its mode or by that of a folder above it."""
    doors = paused.doors
    assert {Path(path).name for path in doors["sockets"]} >= {"plasma_store", "raylet"}
    assert [path for path, closed in doors["by mode"].items() if not closed] == []
    if not doors["visits"]:
        pytest.skip("only root can try it as another user")
    assert any(doors["mine"].values()), "nobody gets in: the test proves nothing"
    assert [path for path, opened in doors["open"].items() if opened] == []


def test_strangers_get_nothing_but_rays_metrics(paused):
    if not paused.doors["visits"]:
        pytest.skip("only root can try it as another user and from another network")
    for who, visit in paused.doors["visits"].items():
        assert not (paused.short.place / who).exists(), who
        for address, said in visit.items():
            assert not strangers.opened(said), f"{who} at {address} of {paused.doors['listeners'][address]}: {said}"
    answered = [said["/v1/models"] for said in paused.doors["visits"]["user"].values()]
    assert 401 in answered  # vLLM's server, which asks for the key
    assert not [said for said in paused.doors["visits"]["network"].values() if said["/metrics"] in (401, "metrics")]
    asked = [address for address, said in paused.doors["visits"]["user"].items() if "UNAUTHENTICATED" in said["Ray"]]
    assert [address for address in asked if "OK" in paused.doors["owner"][address]["Ray"]], "nobody gets in: the test proves nothing"


def test_the_secrets_are_in_no_file_and_no_command_line(paused):
    assert len(paused.doors["secrets"]) == 2
    assert not any(secret in paused.doors["commands"] for secret in paused.doors["secrets"])
    assert paused.doors["in files"] == [] and holding(paused.short.place, paused.doors["secrets"]) == []


def test_sigterm_saves_after_the_step_at_work(paused):
    short, (saved,) = paused.short, paused.saved
    assert paused.code == 143, short.said()
    assert 1 < saved < STEPS
    assert f"ended as asked, saved at step {saved}; the same command goes on from there" in short.said()
    assert not (short.place / "manifest.json").exists()
    assert checkpoints.is_complete(paused.directory / f"global_step_{saved}")


def test_a_pause_leaves_no_file_of_the_job_behind(paused):
    places = paused.doors["places"]
    assert any("mathrl-ray-" in place for place in places)
    assert [place for place in places if os.path.lexists(place)] == []


def test_the_variant_is_on(paused):
    variants.check("dapo", paused.directory, paused.curves)
    variants.check_overlong_penalty(paused.curves)
    assert variants.updates(paused.directory / f"global_step_{paused.saved[-1]}") == UPDATES * paused.saved[-1]
    assert max(paused.curves["training/rollout_probs_diff_max"]) <= 1e-4  # trainer and engine see the same policy


def test_whole_groups_are_kept_and_padding_is_counted_nowhere(paused):
    samples = PROMPTS * 4
    assert [len(rows) for rows in paused.rollouts] == [samples] * len(paused.steps)
    for rows in paused.rollouts:
        assert all({"input", "output", "gts", "score", "status", "pred", "acc"} <= row.keys() for row in rows)
        assert all("Question:" in row["input"] and row["gts"] for row in rows)
    generated = [samples * mean for mean in paused.curves["response_length/mean"]]
    assert sum(paused.curves["training/generated_tokens"]) > sum(generated)  # what dynamic sampling threw away was generated too
    assert sum(paused.curves["training/tokens"]) >= sum(paused.curves["perf/total_num_tokens"])


def test_hostile_answers_have_their_status(paused):
    hostile = [call for call in paused.calls if call["kind"]]
    assert len(hostile) >= 4 and len({call["kind"] for call in hostile}) == 4
    assert {call["status"] for call in hostile} <= {"different", "unparsed_answer", "no_box", "unparsed_gold"}, hostile
    assert {call["score"] for call in hostile} <= {0.0, 0.1}


def test_right_answers_still_score_one(paused):
    usual = [call for call in paused.calls if not call["kind"]]
    for call in usual:
        assert call["score"] == pytest.approx(grade(call["response"], call["gold"]).score) or call["status"] == "copied", call
    assert sum(call["score"] == pytest.approx(1.0) for call in usual) >= 10


def test_a_hostile_answer_costs_little(paused):
    assert max(call["seconds"] for call in paused.calls) < 0.5 * slowness()


def test_every_status_and_term_of_a_step_is_in_tensorboard(paused):
    for place, rows in enumerate(paused.rollouts):
        for status in STATUSES:
            assert paused.curves[f"grader/{status}"][place] == sum(row["status"] == status for row in rows), status
        for term, key in (("format", "format"), ("correct", "acc")):
            mean = sum(row[key] for row in rows) / len(rows)
            assert paused.curves[f"reward_terms/{term}"][place] == pytest.approx(mean, abs=1e-6), term
        assert paused.curves["training/boxed"][place] == paused.curves["reward_terms/format"][place]
    assert sum(paused.curves["grader/error"]) == 0, "no answer throws the grader"
