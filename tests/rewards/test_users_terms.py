"""Each form of a user's term, and each way in which one fails."""

import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mathrl.config.reward_terms import Term, deciding
from mathrl.rewards import users_terms
from mathrl.rewards.outcome import Rewards, check_terms, graded
from mathrl.verl import reward_metrics

FORMS = """
import asyncio

SIZES = []


def one(grade, data_source, response, answer, extra_info, *, factor=1.0):
    return factor * len(response) * grade.correct


async def one_soon(grade, data_source, response, answer, extra_info, *, factor=1.0):
    await asyncio.sleep(0.01)
    return factor * len(response) * grade.correct


def several(grades, data_sources, responses, answers, extra_infos, *, factor=1.0):
    SIZES.append(len(responses))
    return [factor * len(response) * grade.correct for grade, response in zip(grades, responses, strict=True)]


async def several_soon(*lists, factor=1.0):
    await asyncio.sleep(0.01)
    return several(*lists, factor=factor)
"""
RESPONSES = [rf"\boxed{{{number}}}" for number in (1, 1000, 12, 7)]


@pytest.fixture
def file(tmp_path):
    def written(text):
        (tmp_path / "terms.py").write_text(text)
        return f"{tmp_path}/terms.py"

    return written


@pytest.mark.parametrize(("name", "batch"), [("one", None), ("one_soon", None), ("several", 3), ("several_soon", 3)])
@pytest.mark.parametrize("soon", [False, True], ids=["waited for", "awaited"])
def test_forms(file, name, batch, soon):
    term = {"weight": 0.5, "arguments": {"factor": 2.0}, "batch": batch}
    rewards = Rewards(check_terms({"correct": 1.0, f"{file(FORMS)}:{name}": term}))
    told = [("x", response, "7") for response in RESPONSES]
    if soon:

        async def all_of_them():
            return await asyncio.gather(*(rewards.reward_soon(*one) for one in told))

        found = asyncio.run(all_of_them())
    else:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda one: rewards.reward(*one), told))
    assert [row[f"term_{name}"] for row in found] == [0.0, 0.0, 0.0, 2.0 * len(RESPONSES[3])]
    assert [row["score"] for row in found] == [0.0, 0.0, 0.0, 1.0 + len(RESPONSES[3])]
    (caller,) = rewards.users.values()
    sizes = caller.function.__globals__["SIZES"]
    assert not batch or (sum(sizes) == len(told) and max(sizes) <= batch)


FAILURES = [
    ("def f(*_):\n    return None\n", None, "it answers None, not a number"),
    ("def f(*_):\n    return float('nan')\n", None, "it answers nan; a term must be finite"),
    ("def f(*_):\n    raise KeyError('who')\n", None, "KeyError: 'who' (line 2 of terms.py)"),
    ("import sys\n\ndef f(*_):\n    sys.exit(4)\n", None, "SystemExit: 4"),
    ("def f(*_):\n    return [1.0, 2.0]\n", 8, "it answers 2 numbers for 1 responses"),
    ("def f(*_):\n    return 1.0\n", 8, "it answers 1.0, not a list of 1 numbers"),
    ("def f(response):\n    return 1.0\n", None, "TypeError: f() takes 1 positional argument but 5 were given"),
    ("import time\n\ndef f(*_):\n    time.sleep(3)\n", None, "gave no answer within 0.2 s"),
    ("import asyncio\n\nasync def f(*_):\n    await asyncio.sleep(3)\n", 8, "gave no answer within 0.2 s"),
    ("def f(*_):\n    return '0.5'\n", None, "it answers '0.5', not a number"),
    ("def f(*_):\n    return {0: 1.0}\n", 8, "it answers {0: 1.0}, not a list of 1 numbers"),
    ("import itertools\n\ndef f(*_):\n    return itertools.repeat(1.0)\n", 8, "it answers more than 1 numbers for 1 responses"),
    ("def f(*_):\n    raise StopIteration\n", None, "StopIteration"),
    ("def f(*_):\n    raise KeyboardInterrupt\n", 8, "KeyboardInterrupt"),
    ("class E(BaseException):\n    pass\n\ndef f(*_):\n    raise E('odd')\n", None, "E: odd"),
    ("class E(Exception):\n    def __str__(self):\n        return 1\n\ndef f(*_):\n    raise E\n", None, "E (line 6 of terms.py)"),
    ("async def f(*_):\n    raise SystemExit(3)\n", None, "SystemExit: 3"),
    ("import asyncio\n\nasync def f(*_):\n    raise asyncio.CancelledError\n", None, "CancelledError"),
    ("import asyncio\n\nasync def f(*_):\n    raise asyncio.CancelledError\n", 8, "CancelledError"),
    ("async def f(*_):\n    raise TimeoutError('the client gave up')\n", None, "TimeoutError: the client gave up"),
]


@pytest.mark.parametrize(("text", "batch", "why"), FAILURES, ids=[case[2][:30] for case in FAILURES])
def test_failures(file, text, batch, why):
    name = f"{file(text)}:f"
    sample = graded("x", RESPONSES[3], "7")
    for on_failure in ("stop", "zero"):
        (caller,) = Rewards({name: Term(weight=1.0, timeout=0.2, batch=batch, on_failure=on_failure)}).users.values()
        if on_failure == "zero":
            assert caller.value(sample) == users_terms.Value(0.0, failed=True) and caller.failures == 1
        else:
            with pytest.raises(users_terms.TermFailed) as error:
                caller.value(sample)
            assert str(error.value).startswith(f"reward term '{name}' failed: {why}") and "\n" not in str(error.value)


def test_a_call_that_was_given_up_is_not_logged_again(file, caplog):
    name = file("import asyncio\n\nasync def f(*_):\n    await asyncio.sleep(3)\n") + ":f"
    (caller,) = Rewards({name: Term(weight=1.0, timeout=0.05, on_failure="zero")}).users.values()
    assert caller.value(graded("x", RESPONSES[3], "7")).failed
    time.sleep(0.2)
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_an_async_function_that_waits_without_await_is_found(file, monkeypatch):
    monkeypatch.setattr(users_terms, "BLOCKED_SECONDS", 0.3)
    loop = users_terms.Loop()  # of this test: it stays blocked for a while
    monkeypatch.setattr(users_terms, "_loop", lambda pid: loop)
    name = file("import time\n\nasync def f(*_):\n    time.sleep(4)\n") + ":f"
    (caller,) = Rewards({name: Term(weight=1.0, timeout=0.2)}).users.values()
    begin = time.monotonic()
    with pytest.raises(users_terms.TermFailed, match=r"blocks its event loop for 0\.2 s; an async function must not wait without await"):
        caller.value(graded("x", RESPONSES[3], "7"))
    assert time.monotonic() - begin < 3.5


def test_a_term_whose_calls_never_return_ends_the_training(file, monkeypatch):
    """Else each response would leave a thread behind, and wait for its whole timeout."""
    monkeypatch.setattr(users_terms, "MOST_HANGING", 2)
    name = file("import time\n\ndef f(*_):\n    time.sleep(5)\n") + ":f"
    (caller,) = Rewards({name: Term(weight=1.0, timeout=0.05, on_failure="zero")}).users.values()
    sample = graded("x", RESPONSES[3], "7")
    assert [caller.value(sample).failed for _ in range(2)] == [True, True]
    with pytest.raises(users_terms.TermFailed, match="failed: 2 calls never returned"):
        caller.value(sample)


def test_failures_of_a_step_are_counted():
    rows = [{"term_asked": 0.5, "failed_asked": 0.0}, {"term_asked": 0.0, "failed_asked": 1.0}, {"term_asked": 0.0, "failed_asked": 1.0}]
    found = reward_metrics.summarize(rows)
    assert found == {"reward_terms/asked": pytest.approx(1 / 6), "reward_terms/failed/asked": 2.0}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"parallel": 2}, False),
        ({"batch": 4}, False),
        ({"timeout": 9.0}, False),
        ({"timeout": 9.0, "on_failure": "zero"}, True),
        ({"arguments": {"a": 1}}, True),
        ({"weight": 0.2}, True),
    ],
)
def test_what_of_a_term_counts_in_the_fingerprint(changes, counts):
    assert deciding(Term(weight=0.1)) == 0.1 == deciding(0.1), "a mapping that says no more than its weight is one"
    assert (deciding(Term(**{"weight": 0.1, **changes})) != 0.1) == counts
