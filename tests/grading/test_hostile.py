"""Hostile text: no crash, no hang, nothing executed, flat memory."""

import gc
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mathrl.grading import STATUSES, extract_boxed, extract_lenient, grade, grade_many, group_answers
from mathrl.grading.judge import clear_caches
from support.speed import slowness

from .hostile import ANSWERS, REWARD_BATCH

IN_PROCESS_SECONDS = 0.5
"""What our own rules may take at most, on a slow and loaded machine too; they take milliseconds."""


@pytest.fixture
def others_garbage_stays():
    """A collection of what earlier tests left in this process takes most of a second, and would count for the grader."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("others_garbage_stays")
@pytest.mark.parametrize(("name", "answer", "gold"), ANSWERS, ids=[name for name, *_ in ANSWERS])
def test_hostile_answers(name, answer, gold):
    for response in (rf"\boxed{{{answer}}}", answer):
        started = time.process_time()
        result = grade(response, gold, f"Find ${answer[:3_000]}$ if ${gold[:3_000]}$.")
        ours = time.process_time() - started
        assert result.status in STATUSES and result.score in (0.0, 0.1, 1.0)
        assert ours < IN_PROCESS_SECONDS or ours < IN_PROCESS_SECONDS * slowness()
    started = time.process_time()
    grade(rf"\boxed{{{gold}}}", answer)
    extract_lenient(answer)
    group_answers([answer, gold])
    seconds = time.process_time() - started
    assert seconds < 3 * IN_PROCESS_SECONDS or seconds < 3 * IN_PROCESS_SECONDS * slowness()
    assert not Path("/tmp/hostile").exists()


def test_hostile_answers_do_not_pass_for_other_answers():
    passed = {name for name, answer, gold in ANSWERS if grade(rf"\boxed{{{answer}}}", gold).correct}
    right = {
        "long sum",
        "long product",
        "spaces",
        "newlines",
        "nested sets",
        "control characters",
        "digits of many scripts",
        "our own marks",
    }
    assert passed <= right, passed - right


def test_one_batch_of_hostile_and_right_responses():
    started = time.process_time()
    results = grade_many([(response, gold) for response, gold, _ in REWARD_BATCH])
    assert time.process_time() - started < len(ANSWERS) * IN_PROCESS_SECONDS / 2
    for (response, _, score), result in zip(REWARD_BATCH, results, strict=True):
        assert score is None or result.score == pytest.approx(score), response


def test_importing_the_grader_loads_no_algebra_system_and_starts_no_process():
    program = """
import sys
from mathrl.grading import grade
assert grade(r"\\boxed{42}", "42").correct and not grade(r"\\boxed{x+1}", "7").correct
print([name for name in ("sympy", "mpmath", "torch", "math_verify", "numpy") if name in sys.modules])
import psutil
print(psutil.Process().children())
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "scripts")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n[]\n", done.stdout + done.stderr


FRAGMENTS = (  # noqa: SIM905
    r"\frac \sqrt \sum \int \prod \lim \binom \boxed{ \text{ \left( \right) \begin{pmatrix} \end{pmatrix} \pm \cup "
    r"\setminus \overline{ \mathbb{R} \infty \pi \circ \% \$ \{ \} \\ \cdot \times \le \ne \in \approx \ldots { } ( ) [ ] | "
    r"^ _ ! % & = < > , ; : . + - * / ' 0 1 9 12 1,000 0.5 1e9 999999999999 x y e i f(x) sin ln and or yes A (B) cm million "
    r"degrees NaN [[ ]] {' ': {\" \": (a) b. \begin{cases} \end{cases} \mathbf{i} \hat{\jmath} \pmod (mod np. log2( cbrt( 0.(3) m/s^2 kg "
    r"\Omega am to hundred thirds ① f'(0) U option"
).split()


def fuzzed(generator: random.Random) -> str:
    """One hostile text: fragments of LaTeX, raw Unicode of any plane, a mutated answer, or a deep or long repetition."""
    kind = generator.random()
    if kind < 0.55:
        return generator.choice(("", " ")).join(generator.choices(FRAGMENTS, k=generator.randint(1, 40)))
    if kind < 0.7:
        return "".join(
            chr(generator.choice((generator.randrange(128), generator.randrange(0x110000)))) for _ in range(generator.randint(1, 60))
        )
    if kind < 0.9:
        text = list(generator.choice(ANSWERS)[1][:300])
        for _ in range(generator.randint(1, 6)):
            text[generator.randrange(len(text))] = generator.choice(FRAGMENTS)
        return "".join(text)
    return generator.choice(FRAGMENTS) * generator.choice((2, 10, 100, 1_000))


def fuzz(count: int, seed: int) -> float:
    """Grade `count` fuzzed answers against fuzzed and plain golds; the longest in-process seconds of one."""
    generator = random.Random(seed)
    golds = ["42", r"\frac12", "x^2+1", "(1,2)", r"\{1,2\}", "[0,1)", "yes", "C", r"\begin{pmatrix}1\\2\end{pmatrix}", "x=3", "3:4"]
    longest = 0.0
    for _ in range(count):
        answer = fuzzed(generator)
        gold = fuzzed(generator) if generator.random() < 0.3 else generator.choice(golds)
        status, seconds = graded(answer, gold)
        if seconds > IN_PROCESS_SECONDS / 2:  # the same again from a cold cache: a busy machine is slow once
            clear_caches()
            seconds = min(seconds, graded(answer, gold)[1])
        longest = max(longest, seconds)
        assert status in STATUSES and status != "error", (answer, gold)
    return longest


def graded(answer: str, gold: str) -> tuple[str, float]:
    """The status of a fuzzed answer, and the processor time it took."""
    started = time.process_time()
    status = grade(rf"\boxed{{{answer}}}", gold, f"What is ${gold[:200]}$ and {answer[:200]}?").status
    extract_boxed(answer)
    return status, time.process_time() - started


def resident() -> int:
    return psutil.Process(os.getpid()).memory_info().rss


def check_fuzz(count: int) -> None:
    fuzz(min(count, 30_000), seed=1)  # fills the caches, which are bounded
    before = resident()
    longest = fuzz(count, seed=2)
    assert longest < IN_PROCESS_SECONDS * slowness()
    assert resident() - before < 64 << 20, "memory grows"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 << 20


def test_fuzzed_answers():
    check_fuzz(1_500)


@pytest.mark.full
def test_a_hundred_thousand_fuzzed_answers():
    check_fuzz(100_000)
