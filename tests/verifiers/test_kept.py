"""Scores are kept, asked for again, limited in time, and never made up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.verifiers.kept import Kept

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROBLEMS, RESPONSES = ["p", "q", "p", "r"], [["a", "b"], ["c"], ["a", "b"], []]


class Lengths:
    """Scores a step by its length; fails or misbehaves as told, and counts what it is asked."""

    def __init__(self, failures=(), wrong=None):
        self.identity, self.asked, self.failures, self.wrong = {"kind": "test"}, [], list(failures), wrong

    def score(self, problems, responses):
        self.asked += list(zip(problems, responses, strict=True))
        if self.failures:
            raise self.failures.pop(0)
        return self.wrong or [[1 / (1 + len(step)) for step in steps] for steps in responses]


def kept(inner, root, **given):
    return Kept("v", inner, root, **({"timeout": 20, "retries": 2, "batch_size": 1, "pause": 0.001} | given))


def test_equal_solutions_are_scored_once_and_kept(tmp_path):
    first, second = Lengths(), Lengths()
    scores = kept(first, tmp_path).score(PROBLEMS, RESPONSES)
    assert scores == [[0.5, 0.5], [0.5], [0.5, 0.5], []] and len(first.asked) == 2
    assert kept(second, tmp_path).score(PROBLEMS, RESPONSES) == scores and not second.asked
    second.identity = {"kind": "test", "weights": "others"}
    assert kept(second, tmp_path).score(PROBLEMS, RESPONSES) == scores and len(second.asked) == 2, "another identity scores anew"


def test_a_failure_is_tried_again(tmp_path):
    inner = Lengths([ConnectionError("gone"), ValueError("odd")])
    assert kept(inner, tmp_path).score(["p"], [["a"]]) == [[0.5]] and len(inner.asked) == 3


def test_what_fails_for_good_says_what_is_kept(tmp_path):
    inner = Lengths([ConnectionError("gone")] * 3)
    with pytest.raises(UserError, match=r"verifier v: failed 3 times .* ConnectionError: gone; 0 of 2 responses are scored"):
        kept(inner, tmp_path).score(PROBLEMS, RESPONSES)
    assert kept(Lengths(), tmp_path).score(["q"], [["c"]]) == [[0.5]]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([[0.5]], "gave 1 scores for a response of 2 steps"),
        ([[0.5, float("nan")]], "gave the score nan"),
        ([[0.5, 1.5]], "gave the score 1.5"),
        ([], "gave 1 scores"),
        ([[0.5, 0.5], [1.0]], "gave scores of 2 responses"),
        ([["x", "y"]], "could not convert"),
    ],
)
def test_missing_and_impossible_scores_are_refused(tmp_path, wrong, why):
    with pytest.raises(UserError, match=why if wrong else "failed 3 times"):
        kept(Lengths(wrong=wrong or [[]]), tmp_path).score(["p"], [["a", "b"]])
    assert not list(tmp_path.rglob("*.jsonl")), "nothing is kept of it"


def test_what_hangs_is_given_up(tmp_path):
    class Hangs(Lengths):
        def score(self, problems, responses):
            time.sleep(30)

    begun = time.monotonic()
    with pytest.raises(UserError, match=r"TimeoutError: no answer within 0 s \(verifiers.timeout\)"):
        kept(Hangs(), tmp_path, timeout=0.1, retries=1).score(["p"], [["a"]])
    assert time.monotonic() - begun < 10


def test_several_in_flight_keep_what_was_finished(tmp_path):
    class Picky(Lengths):
        def score(self, problems, responses):
            if "bad" in problems:
                time.sleep(0.3)
                raise UserError("verifier v: refused")
            return super().score(problems, responses)

    many = [*map(str, range(20)), "bad"]
    with pytest.raises(UserError, match="refused"):
        kept(Picky(), tmp_path, parallel=4).score(many, [["a"]] * 21)
    again = Lengths()
    kept(again, tmp_path).score(many, [["a"]] * 21)
    assert 1 <= len(again.asked) < 21


def test_damaged_and_cut_off_lines_are_scored_again(tmp_path, capsys):
    kept(Lengths(), tmp_path).score(PROBLEMS, RESPONSES)
    [file] = tmp_path.rglob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0].replace(b"0.5", b"0.9") + lines[1][:-5])
    again = Lengths()
    assert kept(again, tmp_path).score(PROBLEMS, RESPONSES)[0] == [0.5, 0.5] and len(again.asked) == 2
    assert "is damaged" in capsys.readouterr().err


def test_a_kill_loses_at_most_the_batch_at_work(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\ndef score(problems, responses):\n    time.sleep(0.05)\n    open('asked', 'a').write(f'{problems[0]}\\n')\n"
        "    return [[1.0] * len(steps) for steps in responses]\n"
    )
    program = (
        "from pathlib import Path\nfrom mathrl.config.verifiers import Settings\nfrom mathrl.verifiers import load\n"
        "v = load.make(Settings('v', 'slow:score'), root=Path('store'), timeout=9, retries=0, batch_size=1)\n"
        "print(len(v.score([str(n) for n in range(40)], [['a']] * 40)))\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{SCRIPTS}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "-c", program]
    first = subprocess.Popen(command, cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "asked").exists():
        time.sleep(0.02)
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = len((tmp_path / "asked").read_text().split())
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    asked = (tmp_path / "asked").read_text().split()
    assert done.stdout == "40\n", done.stderr
    assert 0 < before < 40 and len(set(asked)) == 40 and len(asked) <= 41, "at most the batch at work is scored twice"
    rows = [json.loads(line.partition(" ")[2]) for file in (tmp_path / "store").rglob("*.jsonl") for line in file.read_text().splitlines()]
    assert all(row["scores"] == [1.0] for row in rows)
