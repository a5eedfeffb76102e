"""The pool: hanging, eating and crashing requests cost at most the cap, and the next request is served."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from mathrl.grading.pool import Pool

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "scripts"
CAP = 1.0


@pytest.fixture
def pool():
    made = Pool("hostile_tasks:do", 2, cap=CAP, memory=1 << 29, path=str(HERE))
    made.warm()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("what", "reply"),
    [
        ("hang", {"timeout": True}),
        ("sleep", {"timeout": True}),
        ("stop", {"timeout": True}),
        ("crash", {"error": "worker died"}),
        ("exit", {"error": "worker died"}),
        ("deep", {"error": "RecursionError"}),
        ("raise", {"error": "ValueError"}),
    ],
)
def test_hostile_requests_cost_at_most_the_cap(pool, what, reply):
    started = time.monotonic()
    assert pool.ask(what) == reply
    assert time.monotonic() - started < CAP + 0.75
    started = time.monotonic()
    assert pool.ask("echo", 42) == {"value": 42}
    assert time.monotonic() - started < 0.5, "a replacement is a fork away"


def test_a_request_that_eats_memory_ends_at_the_memory_cap(pool):
    pool.cap = 60.0
    assert pool.ask("eat") == {"error": "worker died"}
    assert pool.ask("echo", 42) == {"value": 42}


def test_more_hanging_requests_than_workers_do_not_exhaust_the_pool(pool):
    with ThreadPoolExecutor(8) as threads:
        hanging = [threads.submit(pool.ask, "hang") for _ in range(6)]
        right = [threads.submit(pool.ask, "echo", number) for number in range(20)]
        assert [future.result() for future in right] == [{"value": number} for number in range(20)]
        assert all(future.result() == {"timeout": True} for future in hanging)


def test_a_keeper_that_is_killed_is_replaced(pool):
    for pid in pool.pids():
        os.kill(pid, 9)
    replies = [pool.ask("echo", 1) for _ in range(4)]
    assert replies.count({"value": 1}) >= 2
    assert pool.ask("echo", 2) == {"value": 2}


def test_memory_does_not_grow_with_requests(pool):
    def resident():
        processes = [child for pid in pool.pids() for child in (psutil.Process(pid), *psutil.Process(pid).children())]
        return sum(process.memory_info().rss for process in processes)

    for number in range(50):
        pool.ask("echo", number)
    before = resident()
    for number in range(500):
        pool.ask("echo", number)
    assert resident() - before < 5 << 20


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_nothing_outlives_the_process_that_asked(how):
    program = f"""
import os, sys, threading
sys.path[:0] = [{str(SCRIPTS)!r}]
from mathrl.grading.pool import Pool
pool = Pool("hostile_tasks:do", 2, cap=30.0, path={str(HERE)!r})
pool.warm()
threading.Thread(target=pool.ask, args=("sleep",), daemon=True).start()
import psutil, time
time.sleep(0.3)
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
if {how!r} == "kill":
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 4, done.stderr
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline, "workers are left over"
        time.sleep(0.1)


def test_grading_from_threads_and_in_a_forked_process():
    program = f"""
import os, sys, threading
sys.path.insert(0, {str(SCRIPTS)!r})
from mathrl.grading import equivalent, judge
judge.pool_for(judge.ALGEBRA).cap = 60.0  # a loaded machine must not decide this test
pair = (r"\\dot{{x}} + y", r"y + \\dot{{x}}")
found = []
threads = [threading.Thread(target=lambda: found.append(equivalent(*pair))) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
judge._algebra_seen.clear()
child = os.fork()
if child == 0:
    judge.pool_for(judge.ALGEBRA).cap = 60.0
    os._exit(0 if equivalent(*pair) else 1)
print(found, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), equivalent(*pair))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[0] == f"{[True] * 8} 0 True", done.stderr


def test_importing_the_grader_loads_no_algebra_system():
    program = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from mathrl.grading import grade
assert grade(r"\\boxed{{42}}", "42").correct and not grade(r"\\boxed{{x+1}}", "7").correct
print([name for name in ("sympy", "mpmath", "torch", "math_verify", "numpy") if name in sys.modules], len(sys.modules))
import psutil
print(psutil.Process().children())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("[]") and done.stdout.rstrip().endswith("[]"), done.stdout + done.stderr


def test_threads_share_the_pool_without_mixing_replies(pool):
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda number: pool.ask("echo", number)["value"], range(300)))
    assert replies == list(range(300))
    assert threading.active_count() < 50
    assert json.dumps(replies)


def test_a_hostile_reward_term_costs_at_most_the_cap_a_response(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    from hostile_terms import hostile, pool, task_of

    responses = [f"response {number}" for number in range(40)]
    bad = [response for response in responses if task_of(response) != "echo"]
    assert {task_of(response) for response in bad} == {"hang", "eat", "crash"}
    pool().warm()
    started = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        assert all(value == 1.0 for value in threads.map(lambda response: hostile(None, "", response, "", None), responses))
    assert time.monotonic() - started < (pool().cap + 0.5) * len(bad)
    pool().close()
