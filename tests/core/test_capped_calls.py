"""Calls with a limit on processor time and memory: what comes back, and that the next call is served."""

import os
import threading

import pytest
from mathrl.core import capped_calls
from mathrl.core.capped_calls import CappedCalls


@pytest.fixture
def calls():
    made = []

    def make(task, cpu_seconds=20.0):
        made.append(CappedCalls(task, cpu_seconds))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_values_come_in_order(calls):
    assert calls("operator:add").map([(n, 1) for n in range(8)], workers=2) == [{"value": n + 1} for n in range(8)]


def test_a_python_error_keeps_the_worker(calls):
    division = calls("operator:truediv")
    assert division.ask(1, 0) == {"lost": "error"}
    assert division.ask(1, 2) == {"value": 0.5}


def test_too_much_memory_is_an_error(calls):
    assert calls("operator:mul").ask("a", 10**11) == {"lost": "error"}


def test_what_is_no_json_is_an_error(calls):
    assert calls("builtins:complex").ask(1, 2) == {"lost": "error"}


def test_a_call_that_never_ends_is_stopped_and_the_next_one_is_served(calls):
    power = calls("builtins:pow", cpu_seconds=0.5)
    assert power.ask(9, 9**9) == {"lost": "timeout"}
    assert power.ask(2, 10) == {"value": 1024}


def test_a_worker_that_waits_for_a_busy_machine_is_waited_for(calls, monkeypatch):
    monkeypatch.setattr(capped_calls, "CLOCK_FACTOR", 0.01)  # 0.2 s on the clock
    assert calls("builtins:exec").ask("for _ in range(10_000_000): pass") == {"value": None}


def test_a_worker_that_sleeps_is_given_up_and_the_next_call_is_served(calls):
    sleep = calls("time:sleep", cpu_seconds=0.02)
    assert sleep.ask(600) == {"lost": "timeout"}
    assert sleep.ask(0) == {"value": None}


def test_a_worker_that_dies_is_replaced(calls):
    leave = calls("os:_exit")
    assert leave.ask(3) == {"lost": "error"}
    assert leave.ask(3) == {"lost": "error"}


def test_any_thread_may_ask(calls):
    process, found = calls("os:getpid"), []
    threads = [threading.Thread(target=lambda: found.append(process.ask()["value"])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and os.getpid() not in found
