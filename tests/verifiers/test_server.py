"""A verifier that is a model, in a process of its own: same scores, batches over all who ask, and no score where it dies or hangs."""

import asyncio
import errno
import gc
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError
from mathrl.core.hashes import model_sha256
from mathrl.demo.steps import step_set
from mathrl.execution import processes
from mathrl.verifiers import beside, frames, load, server, server_start
from mathrl.verifiers.gathering import Gathering
from mathrl.verifiers.interface import RetryLater
from mathrl.verifiers.kept import GaveUp
from mathrl.verifiers.served import Place, Served
from support.waiting import wait_for

ROWS = step_set(seed=2, count=8)
PROBLEMS, STEPS = [row["problem"] for row in ROWS], [row["steps"] for row in ROWS]


def section_of(model, **more):
    return Verifiers.model_validate({"named": {"v": {"kind": "prm", "model": str(model)}}, **more})


def setting_of(section, folder, **more):
    return server_start.Setting(section, "cpu", 0.0, {}, folder, {}, **more)


@pytest.fixture(scope="module")
def running(tiny, tmp_path_factory):
    """A served model: its section and its place."""
    section = section_of(tiny)
    with server_start.started(("v",), setting_of(section, tmp_path_factory.mktemp("logs")), "test") as places:
        yield section, places


def test_it_scores_as_in_this_process_whatever_is_asked_beside_it(running, tiny, tmp_path):
    section, places = running
    here = load.make(Settings("v", "prm"), root=tmp_path / "here", timeout=60, retries=0, batch_size=5, model=tiny)
    wanted = here.score(PROBLEMS, STEPS)

    def asked(order, store):
        gathering = beside.gathered(section, "v", store, workers=1, served=places)

        async def all_of_them():
            return await asyncio.gather(*(gathering.score(PROBLEMS[place], STEPS[place]) for place in order))

        return dict(zip(order, asyncio.run(all_of_them()), strict=True))

    assert asked(range(len(ROWS)), tmp_path / "one") == dict(enumerate(wanted)), "to the last digit"
    assert asked([5, 2], tmp_path / "two") == {5: wanted[5], 2: wanted[2]}
    assert Served(places["v"], 60).identity == here.identity, "so that a training finds what an evaluation has kept, and the reverse"


def test_two_clients_at_once_get_their_own(running, tiny, tmp_path):
    places = running[1]
    wanted = load.make(Settings("v", "prm"), root=tmp_path, timeout=60, retries=0, batch_size=5, model=tiny).score(PROBLEMS, STEPS)
    found = {}

    def ask(first):
        found[first] = Served(places["v"], 60).score(PROBLEMS[first : first + 5], STEPS[first : first + 5])

    threads = [threading.Thread(target=ask, args=(first,)) for first in (0, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {first: wanted[first : first + 5] for first in (0, 3)}


def test_only_this_user_can_reach_it_and_it_opens_no_port(running):
    _, places = running
    path = Path(places["v"].socket)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700 and stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    (pid,) = [pid for pid in processes.pids() if str(path) in Path(f"/proc/{pid}/cmdline").read_text()]
    sockets = {os.readlink(link.path) for link in os.scandir(f"/proc/{pid}/fd") if os.readlink(link.path).startswith("socket:")}
    inodes = {row.split()[9] for kind in ("tcp", "tcp6", "udp") for row in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]}
    assert sockets and not {f"socket:[{inode}]" for inode in inodes} & sockets


GARBAGE = [
    (b"\xff\xff\xff\xff", "too long"),
    (b"GET / HTTP/1.1\r\n\r\n", "another protocol"),
    (frames.LENGTH.pack(3) + b"\x80\x04.", "a pickle"),
    (frames.LENGTH.pack(9) + b"[1, 2, 3]", "no mapping"),
    (frames.packed({"problems": ["p"], "responses": ["p"]}), "steps that are one text"),
    (frames.packed({"problems": ["p"], "responses": []}), "fewer responses"),
    (frames.packed({"problems": [1], "responses": [["1"]]}), "no text"),
    (frames.packed({}), "nothing asked"),
    (frames.LENGTH.pack(100) + b"{", "half of it"),
]


@pytest.mark.parametrize("sent", [row[0] for row in GARBAGE], ids=[row[1] for row in GARBAGE])
def test_what_is_no_request_ends_its_own_connection_alone(running, sent):
    _, places = running
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as one:
        for connection in (other, one):
            connection.settimeout(10)
            connection.connect(places["v"].socket)
            assert frames.receive(connection)["identity"]["kind"] == "prm"
        one.sendall(sent)
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b"", "closed without an answer"
        other.sendall(frames.packed({"problems": [server.FIRST[0]], "responses": [server.FIRST[1]]}))
        assert len(frames.receive(other)["scores"][0]) == len(server.FIRST[1])


# A verifier of this test: what it does with a problem is written in the problem.
ODD = """
import os, signal, sys, time
from pathlib import Path
from typing import ClassVar
sys.path.insert(0, {scripts!r})
from mathrl.execution import processes
from mathrl.verifiers import server
processes.end_with({parent})
class Odd:
    identity = {{"kind": "odd"}}
    sizes = []
    def score(self, problems, responses):
        self.sizes.append(len(problems))
        if "die" in problems:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in problems:
            time.sleep(3600)
        if "slow" in problems:
            print("scores slowly", file=sys.stderr, flush=True)
            while not Path({path!r} + "-go").exists():
                time.sleep(0.01)
        if "refuse" in problems:
            from mathrl.core.files import UserError
            raise UserError("its template is none")
        if "fail" in problems:
            raise RuntimeError("out of memory")
        if "short" in problems:
            return [[0.5]]
        if "nan" in problems:
            return [[float("nan")] * len(steps) for steps in responses]
        return [[len(self.sizes) / 100] * len(steps) for steps in responses]
server.serve(Odd(), Path({path!r}), 4, "odd")
"""


@pytest.fixture
def odd(tmp_path):
    """Its server: a process, and how to ask."""
    path, log = tmp_path / "s", tmp_path / "log"
    code = ODD.format(scripts=str(server_start.SCRIPT.parent), path=str(path), parent=os.getpid())
    with open(log, "w") as out:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=out)
    while not (log.exists() and "is served" in log.read_text()):
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    yield Place(str(path), str(log))
    process.kill()
    process.wait()


def gathered(place, folder, timeout=60.0, retries=0):
    section = section_of("nowhere", timeout=timeout, retries=retries)
    return beside.gathered(section, "v", folder, workers=1, served={"v": place})


def refuses(path):
    with socket.socket(socket.AF_UNIX) as stranger:
        return stranger.connect_ex(path) == errno.ECONNREFUSED


def ask(gathering, *problems):
    async def all_of_them():
        return await asyncio.gather(*(gathering.score(problem, ["a", "b"]) for problem in problems), return_exceptions=True)

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        ("die", "verifier v: failed 1 times on 1 response(s), at last by its server is gone (the connection ended); its last words: "),
        ("fail", "at last by RuntimeError: out of memory"),
        ("short", "at last by ValueError: gave 1 scores for a response of 2 steps"),
        ("nan", "at last by ValueError: gave the score nan; a score lies in 0"),
    ],
)
def test_a_server_that_fails_gives_an_error_and_no_score(odd, tmp_path, problem, why):
    (found,) = ask(gathered(odd, tmp_path / "store"), problem)
    assert isinstance(found, GaveUp) and why in found.why and "\n" not in str(found)
    assert not list((tmp_path / "store").rglob("*.zst")), "nothing is kept"


def test_what_a_verifier_refuses_is_not_asked_again(odd, tmp_path):
    (found,) = ask(gathered(odd, tmp_path / "store", retries=4), "refuse")
    assert isinstance(found, UserError) and str(found) == "its template is none"


def test_a_server_that_hangs_is_told_with_the_key_of_its_limit(odd, tmp_path):
    begun = time.monotonic()
    (found,) = ask(gathered(odd, tmp_path / "store", timeout=0.8), "hang")
    assert isinstance(found, GaveUp) and "TimeoutError: no answer within 1 s (verifiers.timeout)" in found.why
    assert time.monotonic() - begun < 60
    later = Served(odd, -9.2)  # who asks meanwhile waits as long as it may, and no longer
    with pytest.raises(RetryLater, match="its server gives no answer; its last words: verifier odd: is served"):
        later.score(["other"], [["a"]])


def test_a_server_that_died_before_is_told_with_its_log(odd, tmp_path):
    gathering = gathered(odd, tmp_path / "store")
    ask(gathering, "die")
    # who asks while the process is ending still gets into its queue, and is thrown out of it
    wait_for(lambda: refuses(odd.socket), 60, "the end of its server")
    (found,) = ask(gathering, "anything")
    assert isinstance(found, GaveUp)
    assert "its server is gone ([Errno 111] Connection refused); its last words: verifier odd: is" in found.why
    with pytest.raises(UserError, match="verifier v: its server is gone"):
        gathered(odd, tmp_path / "store")


def test_what_waits_becomes_one_batch_over_all_who_ask(odd):
    clients, scores = [Served(odd, 60) for _ in range(6)], {}

    def asked(number, problem):
        ((scores[number], *_),) = clients[number].score([problem], [["a"]])

    threads = [threading.Thread(target=asked, args=(0, "slow"))]
    threads += [threading.Thread(target=asked, args=(number, f"p{number}")) for number in range(1, 6)]
    threads[0].start()
    while "scores slowly" not in Path(odd.log).read_text():
        time.sleep(0.01)
    for thread in threads[1:]:
        thread.start()
    time.sleep(1)
    Path(odd.socket + "-go").touch()
    for thread in threads:
        thread.join()
    batches = [sum(score == one for score in scores.values()) for one in sorted(set(scores.values()))]
    assert batches == [1, 4, 1], "five wait while the first is scored, and four is the most"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("refuse", "its template is none"),
        ("fail", "RuntimeError: out of memory"),
        ("short", "ValueError: gave 1 scores for a response of 2 steps"),
        ("nan", "ValueError: gave the score nan; a score lies in 0–1"),
    ],
)
def test_in_a_joined_batch_a_bad_response_fails_alone(odd, bad, why):
    """Who asked for another one gets its scores, and the bad one an error and no score."""
    clients, found = {name: Served(odd, 60) for name in ("slow", "one", bad, "two")}, {}

    def asked(name):
        try:
            found[name] = clients[name].score([name], [["a", "b"]])
        except (UserError, RetryLater) as error:
            found[name] = str(error)

    threads = {name: threading.Thread(target=asked, args=(name,)) for name in clients}
    threads["slow"].start()
    while "scores slowly" not in Path(odd.log).read_text():
        time.sleep(0.01)
    for name in ("one", bad, "two"):
        threads[name].start()
    time.sleep(1)
    Path(odd.socket + "-go").touch()
    for thread in threads.values():
        thread.join()
    assert found[bad] == why
    assert all(len(found[name][0]) == 2 and found[name][0][0] > 0 for name in ("one", "two")), found


PLAIN = {"named": {"v": {"kind": "arithmetic"}}}  # starts at once


def processes_command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_server_sees_its_gpu_alone_and_is_told_its_share(tmp_path, capsys):
    """Arithmetic asks for none; an engine would take what is told here."""
    section = Verifiers.model_validate(PLAIN)
    setting = server_start.Setting(section, "cuda", 0.25, {"v": "GPU-7"}, tmp_path, {"TRITON_CACHE_DIR": "/t"})
    with server_start.started(("v",), setting, "train x") as places:
        (pid,) = [pid for pid in processes.pids() if places["v"].socket in processes_command(pid)]
        words = processes_command(pid).split("\0")
        own = processes.environment(pid)
    assert (own["CUDA_VISIBLE_DEVICES"], own["TRITON_CACHE_DIR"]) == ("GPU-7", "/t")
    assert [words[words.index(flag) + 1] for flag in ("--gpu-memory-utilization", "--accelerator")] == ["0.25", "cuda"]
    assert capsys.readouterr().err.startswith("train x: verifier v is served after ")


def test_a_server_of_another_model_is_refused(running, tiny, tmp_path):
    _, places = running
    own = model_sha256(tiny)
    assert Served(replace(places["v"], model=own), 60).score([server.FIRST[0]], [server.FIRST[1]])
    with pytest.raises(
        UserError, match=f"^verifier v: its server holds model {own[:12]}, and this training was planned with abc; .* again"
    ):
        beside.gathered(section_of(tiny), "v", tmp_path, workers=1, served={"v": replace(places["v"], model="abc")})
    setting = setting_of(Verifiers.model_validate(PLAIN), tmp_path, models={"v": "abc"})
    with pytest.raises(UserError, match=r"^verifier v: its server holds model none"), server_start.started(("v",), setting, "test"):
        pytest.fail("another one is served")


def test_a_socket_that_cannot_be_is_refused_before_a_model_is_loaded(odd, tmp_path):
    """By the script itself: exit code 2 and one line."""
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    cases = {
        tmp_path / "file": "is there already and no socket",
        tmp_path / "nowhere/s": "its folder is not there; make it (mkdir -m 700",
        tmp_path / "open/s": "others can enter its folder",
        tmp_path / ("x" * 108): "a socket's path may have 107; name a shorter one",
        Path(odd.socket): "a server answers there already; end it, or name another one",
    }
    for path, why in cases.items():
        with pytest.raises(UserError) as error:
            server.check_place(path)
        assert why in str(error.value)
    gone = tmp_path / "gone"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(gone))
    server.check_place(gone)
    command = [sys.executable, server_start.SCRIPT, "--verifiers", "{}", "--verifier", "v", "--model", "nowhere"]
    done = subprocess.run([*command, "--socket", odd.socket], capture_output=True, text=True)
    assert (
        done.returncode == 2
        and done.stderr == f"error: --socket {odd.socket}: a server answers there already; end it, or name another one\n"
    )


def test_an_idle_connection_leaves_no_last_words(tmp_path):
    """A server that is ended by hand, while somebody is connected."""
    command = [sys.executable, server_start.SCRIPT, "--verifiers", json.dumps(PLAIN), "--verifier", "v", "--socket", tmp_path / "s"]
    with open(tmp_path / "log", "w") as log, socket.socket(socket.AF_UNIX) as idle:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while "is served" not in (tmp_path / "log").read_text():
            assert process.poll() is None
            time.sleep(0.02)
        idle.connect(str(tmp_path / "s"))
        frames.receive(idle)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert (tmp_path / "log").read_text() == "verifier v: is served\n"


def test_who_is_cancelled_takes_the_answer_from_nobody_who_asked_the_same(odd, tmp_path):
    gathering = gathered(odd, tmp_path / "store")

    async def one_gives_up():
        first, second = (asyncio.create_task(gathering.score("same", ["a", "b"])) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(first, second, return_exceptions=True)

    given_up, found = asyncio.run(one_gives_up())
    assert isinstance(given_up, asyncio.CancelledError) and len(found) == 2


def test_a_second_server_does_not_take_the_socket_of_one_that_came_first(odd):
    """Both looked at the place while it was free; the second one has loaded its model now."""

    class Ready:
        identity: ClassVar[dict] = {"kind": "odd"}

        def score(self, problems, responses):
            return [[0.5] * len(steps) for steps in responses]

    with pytest.raises(UserError, match="a server answers there already; end it, or name another one"):
        server.serve(Ready(), Path(odd.socket), 1, "second")
    assert ask_directly(odd), "the first one goes on"


def ask_directly(place):
    return Served(place, 10).score(["p"], [["a"]])


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("config.json", "[]", "config.json: is no object; fetch or copy the model again"),
        ("config.json", "{", "config.json: is no JSON"),
        ("chat_template.jinja", "{{ nonsense(", "cannot be a verifier of kind prm ("),
        ("tokenizer.json", "", "cannot be a verifier of kind prm ("),
    ],
)
def test_a_damaged_model_is_one_line(tiny, tmp_path, name, content, why):
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    (model / "export.json").unlink(missing_ok=True)
    (model / name).write_text(content)
    (tmp_path / "mine").mkdir(mode=0o700)
    section = {"named": {"v": {"kind": "prm", "model": "m"}}}
    command = [sys.executable, server_start.SCRIPT, "--verifiers", json.dumps(section), "--verifier", "v", "--model", model]
    done = subprocess.run([*command, "--accelerator", "cpu", "--socket", tmp_path / "mine/s"], capture_output=True, text=True)
    assert done.returncode == 2 and why in done.stderr and "Traceback" not in done.stderr, done.stderr[-2000:]


def test_a_cancelled_asker_of_what_fails_leaves_no_warning():
    """asyncio warns of an error that nobody has heard, when its future goes."""
    begun, warned = threading.Event(), []

    class Failing:
        identity: ClassVar = {}

        def score(self, problems, responses):
            begun.set()
            if problems == ["one"]:
                time.sleep(0.2)
                raise RuntimeError("no score")
            return [[1.0]]

    async def cancelled():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: warned.append(context["message"]))
        gathering = Gathering(Failing(), 1, 1)
        task = asyncio.create_task(gathering.score("one", ["a"]))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await gathering.score("two", ["a"]) == [1.0]
        assert await gathering.score("three", ["a"]) == [1.0]
        gc.collect()
        await asyncio.sleep(0.1)

    asyncio.run(cancelled())
    assert warned == []
