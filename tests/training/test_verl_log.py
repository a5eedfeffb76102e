"""verl's log lives with the checkpoints, and a failure says why in a few lines."""

import pytest
from mathrl.core import long_logs
from mathrl.core.files import UserError
from mathrl.training import verl_log

from .test_ends import train, verl  # noqa: F401

TRACEBACK = """\x1b[36m(TaskRunner pid=7)\x1b[0m step:3 - critic/score/mean:0.5
(WorkerDict pid=9, ip=127.0.0.1) Traceback (most recent call last):
(WorkerDict pid=9, ip=127.0.0.1) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
ray.exceptions.RayTaskError(OutOfMemoryError): ray::TaskRunner.run() (pid=7, ip=127.0.0.1)
Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""


def test_the_cause_is_the_last_exception_and_not_rays_wrapper():
    assert verl_log.cause(TRACEBACK.splitlines()) == "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    assert verl_log.cause(["INFO all is well", "Error messages follow", ""]) == ""
    assert len(verl_log.cause(["ValueError: " + "x" * 5000])) == 300


def test_a_failure_shows_its_cause_and_the_last_hundred_lines_of_this_attempt(tmp_path):
    log, of_rule = tmp_path / "verl.log", tmp_path / "rule.log"
    log.write_text("ValueError: of an earlier attempt\n")
    begin = long_logs.rotate(log)
    with open(log, "a") as handle:
        handle.write("noise\n" * 7000 + TRACEBACK)
    why = verl_log.write_cause(log, begin, of_rule)
    assert why.startswith("the GPU's memory is full: lower micro_batch_size") and "(torch.OutOfMemoryError: CUDA out" in why
    lines = of_rule.read_text().splitlines()
    assert lines[0] == f"cause: {why}" and lines[1] == f"verl's log: {log}"
    assert len(lines) == 3 + verl_log.SHOWN and lines[-1].startswith("Set the environment variable")
    log.write_text("")
    assert verl_log.write_cause(log, 0, of_rule) == "" and "cause: verl names none" in of_rule.read_text()


def test_a_long_log_is_set_aside_and_the_oldest_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(long_logs, "LONGEST", 10)
    log = tmp_path / "verl.log"
    for number in range(6):
        log.write_text(f"attempt number {number}\n")
        assert long_logs.rotate(log) == 0
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {f"verl.log.{place}": f"attempt number {6 - place}\n" for place in (1, 2, 3)}
    log.write_text("short\n")
    assert long_logs.rotate(log) == 6 and log.exists()


def test_attempts_share_a_log_beside_the_checkpoints(verl, train, tmp_path, monkeypatch):  # noqa: F811
    """Snakemake empties a rule's log at each attempt."""
    from mathrl.training import attempt

    def fails(module, arguments, environment, log, session):
        with open(log, "a") as handle:
            handle.write("an attempt\nRuntimeError: no luck today\n")
        return 1

    monkeypatch.setattr(attempt, "run_verl", fails)
    for count in (1, 2):
        with pytest.raises(UserError, match=r"verl ended with exit code 1: RuntimeError: no luck today; its log is .*/verl.log"):
            train()
        (log,) = tmp_path.glob("checkpoints/*/verl.log")
        assert log.read_text().count("an attempt") == count
        assert (tmp_path / "verl.log").read_text().startswith("cause: RuntimeError: no luck today\n")
