"""`make status`: where runs stand, by the files of a training at work, a dead one, a queued one, a finished one and a damaged one."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import write_checked_json, write_json
from mathrl.execution import processes
from mathrl.report import status as shown
from mathrl.training import flags, status
from mathrl.training.session import parse
from rich.cells import cell_len

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / ".venv-driver/bin/python"
FLAG = {"limit": "reward_drop", "metric": "reward", "step": 7, "value": 0.1, "bound": 0.2}
DEAD = f"1.1.{processes.world()}.0badcafe"  # process 1 was not started at tick 1


def log_of(steps, total=40, seconds=3.0, dev=0.5):
    """verl's log as its console has it, another process's lines and colours between."""
    lines = ["INFO:2026-11-28 06:50:24,886:Platform override\n", f"(TaskRunnerV1 pid=1) mathrl: total steps {total}\n"]
    for step in range(1, steps + 1):
        more = f" - val-core/dev/acc/mean@1:np.float64({dev})" if step % 5 == 0 else ""
        lines.append(
            f"\x1b[36m(TaskRunnerV1 pid=17380)\x1b[0m step:{step} - critic/score/mean:{step / 100} - timing_s/step:{seconds}"
            f" - timing_s/testing:{2.0 if more else 0.0} - timing_s/save_checkpoint:{1.0 if more else 0.0}{more}\n"
        )
        lines.append("\x1b[36m(pid=2)\x1b[0m NCCL INFO nothing\n")
    return "".join(lines)


def study(root, run="grpo", stage="main", steps=12, lock=None, **kind):
    """What a training of this run has left at one moment."""
    directory = root / f"checkpoints/{run}/{stage}/19640ebcbd9e"
    directory.mkdir(parents=True)
    write_checked_json(directory / "fingerprint.json", {"scheme": 1})
    (directory / "verl.log").write_text(log_of(steps, **kind))
    if lock is not None:
        (directory / "writer.lock").write_text(lock)
    write_json(root / f"results/{run}/{stage}/data.json", {"counts": {"dev": 100}})
    return directory


def printed(root):
    return [line.plain for line in shown.lines(root)]


def test_a_training_at_work(tmp_path):
    flags.note(study(tmp_path, lock=processes.job_id()), [FLAG])
    (one,) = status.standings(tmp_path)
    assert (one.run, one.state, one.step, one.total, one.reward, one.dev, one.dev_problems) == ("grpo", "training", 12, 40, 0.12, 0.5, 100)
    assert one.left == pytest.approx(28 * (12 * 3.0 + 2 * 2.0) / 12), "validations count in, and a save is part of its step"
    told = printed(tmp_path)
    assert told[2].split() == ["grpo", "training", "12", "of", "40", "0.120", "0.500", "0.40–0.60", "n=100", "2", "min"]
    assert told[3] == "  collapse flagged at step 7: reward 0.1 is beyond 0.2 (monitor.reward_drop)"


def test_a_dead_training_tells_its_cause(tmp_path):
    study(tmp_path, lock=DEAD)
    log = tmp_path / "logs/train_policy/grpo/main.log"
    log.parent.mkdir(parents=True)
    hostile = "OSError: \x1b[31mNo space left\x1b]0;pwned\x07"
    log.write_text(f"cause: the disk is full; make room, or lower keep_last ({hostile})\nits last line:\nerror: x\n")
    (one,) = status.standings(tmp_path)
    assert one.state == "failed" and one.left is None
    text = "\n".join(printed(tmp_path))
    assert "error: train_policy: the disk is full; make room" in text and "\x1b" not in text and "\x07" not in text


def test_killed_without_a_word(tmp_path):
    study(tmp_path, lock=DEAD)
    assert status.standings(tmp_path)[0].state == "ended"
    study(tmp_path, run="other", lock="4.5.another-world.ff")
    now = os.stat(tmp_path / "checkpoints/other/main/19640ebcbd9e/verl.log").st_mtime
    assert [one.state for one in status.standings(tmp_path, now + 60)] == ["ended", "training"]
    assert [one.state for one in status.standings(tmp_path, now + 3600)] == ["ended", "silent"]


def test_a_finished_run_and_one_of_two_stages(tmp_path):
    directory = study(tmp_path, steps=40)
    manifest = {"steps": 40, "stopped_by": "budget.tokens 5 used up (6)", "collapse": [FLAG], "validation": {"dev": {"0": 0.1, "40": 0.75}}}
    write_json(tmp_path / "results/grpo/main/manifest.json", manifest)
    os.utime(directory / "verl.log", (1, 1))
    study(tmp_path, run="curriculum", stage="easy", steps=9, lock="")
    os.utime(tmp_path / "checkpoints/curriculum/easy/19640ebcbd9e/verl.log", (2, 2))
    study(tmp_path, run="curriculum", stage="hard", steps=3, lock=processes.job_id())
    text = printed(tmp_path)
    assert text[2].split()[:5] == ["curriculum/hard", "training", "3", "of", "40"]
    assert text[3].split()[:7] == ["grpo", "trained", "40", "of", "40", "0.400", "0.750"]
    assert text[5] == "  ended early: budget.tokens 5 used up (6)"


SNAKEMAKE = """Building DAG of jobs...
[Sat Nov 28 06:50:24 2026]
Finished jobid: 3 (Rule: clean_problems)
4 of 32 steps (12%) done
[Sat Nov 28 06:51:00 2026]
Error in rule {rule}:
    message: None
    jobid: 5
    output: {output}
    log: {log} (check log file(s) for error details)
    shell:
        python scripts/x.py
        (command exited with non-zero exit code)

Complete log(s): x
"""


def snakemake_log(root, rule, output, log):
    path = root / ".snakemake/log/2026-11-28T072016.531948.snakemake.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SNAKEMAKE.format(rule=rule, output=output, log=log))


def test_errors_of_other_jobs(tmp_path):
    study(tmp_path, lock="")
    snakemake_log(tmp_path, "format_training_data", "results/grpo/main/train.parquet, results/grpo/main/val.parquet", "logs/f.log")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/f.log").write_text("first\nerror: results/data/problems.parquet: is damaged\n")
    text = printed(tmp_path)
    assert "4 of 32 jobs done" in text[0]
    assert text[3] == "  error: format_training_data: results/data/problems.parquet: is damaged"
    snakemake_log(tmp_path, "grade_samples", "results/base/finalist/eval/gsm8k.json", "logs/none.log")
    assert printed(tmp_path)[-1] == "grade_samples failed: failed without a word in its log"


def test_a_job_of_slurm(tmp_path, monkeypatch):
    """`squeue` as SLURM prints it: number, state, directory, and the comment that Snakemake's plug-in gives."""
    study(tmp_path, lock="4.5.another-world.ff")
    write_json(tmp_path / "results/dapo/main/data.json", {"counts": {"dev": 100}})
    rows = [f"17|PENDING|{tmp_path}|rule_train_policy_wildcards_dapo_main", "18|RUNNING|/else|rule_train_policy_wildcards_grpo_main"]
    tool = tmp_path / "bin/squeue"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(rows) + "\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    now = os.stat(tmp_path / "checkpoints/grpo/main/19640ebcbd9e/verl.log").st_mtime + 7200
    assert [(one.run, one.state) for one in status.standings(tmp_path, now)] == [("dapo", "queued"), ("grpo", "silent")]
    log = tmp_path / "logs/slurm/rule_train_policy/grpo_main/17.log"
    log.parent.mkdir(parents=True)
    log.write_text("error: train grpo: verl ended with exit code 1\nslurmstepd: done\n")
    assert {one.run: one.error for one in status.standings(tmp_path, now)}["grpo"] == "train grpo: verl ended with exit code 1"
    tool.write_text("#!/bin/sh\nsleep 0\nexit 1\n")
    assert [one.state for one in status.standings(tmp_path, now)] == ["waiting", "failed"], "a queue that does not answer"


def test_damaged_and_half_written_files_say_less(tmp_path):
    directory = study(tmp_path, lock=processes.job_id())
    flags.note(directory, [FLAG])
    write_json(tmp_path / "results/grpo/main/manifest.json", {"steps": 40, "collapse": [FLAG], "validation": {"dev": {"40": 0.7}}})
    snakemake_log(tmp_path, "train_policy", "results/grpo/main/manifest.json", "logs/train_policy/grpo/main.log")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 7
    choose = random.Random(1)
    for path in files:
        whole, times = path.read_bytes(), path.stat()
        odd = b'{"steps": [], "collapse": 3, "counts": 1, "flags": [[]]}'
        broken = [b"", whole[: len(whole) // 2], choose.randbytes(500), b"[" * 5000, odd]
        for text in broken:
            path.write_bytes(text)
            os.utime(path, (times.st_atime, times.st_mtime))
            for line in printed(tmp_path):
                assert line.isprintable() and cell_len(line) <= shown.WIDTH
        path.write_bytes(whole)
        os.utime(path, (times.st_atime, times.st_mtime))


def test_a_line_that_is_half_there_is_none(tmp_path):
    directory = study(tmp_path, lock=processes.job_id())
    with open(directory / "verl.log", "a") as log:
        log.write("step:13 - critic/score/mean:0.")
    assert status.standings(tmp_path)[0].step == 12


def test_names_and_texts_stay_in_100_columns(tmp_path):
    run = "a-run-with-a-name-that-is-longer-than-any-that-anybody-wants"
    study(tmp_path, run=run, lock=DEAD)
    snakemake_log(tmp_path, "train_policy", f"results/{run}/main/manifest.json", "logs/x.log")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/x.log").write_text("error: " + "数学 " * 200 + "\u202eevil\x9b31m")
    for line in printed(tmp_path):
        assert line.isprintable() and cell_len(line) <= 100


def test_the_program_only_reads_and_needs_neither_torch_nor_pandas(tmp_path):
    study(tmp_path / "study", lock=DEAD)

    def tree():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [tmp_path / "study", *(tmp_path / "study").rglob("*")]}

    before = tree()
    heavy = "import sys, runpy; sys.argv = sys.argv[1:]\ntry: runpy.run_path(sys.argv[0], run_name='__main__')\nfinally: " + (
        "print(json.dumps(sorted({'torch', 'pandas', 'vllm', 'polars', 'verl', 'tensorboard'} & set(sys.modules))))"
    )
    python = DRIVER if DRIVER.exists() else sys.executable
    command = [python, "-c", f"import json; exec({heavy!r})", str(ROOT / "scripts/show_status.py"), "--directory", "study"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *table, modules = done.stdout.splitlines()
    assert "12 of 40" in table[2] and "\x1b" not in done.stdout
    assert json.loads(modules) == []
    assert tree() == before
    bad = subprocess.run([python, ROOT / "scripts/show_status.py", "--directory", "nowhere"], cwd=tmp_path, capture_output=True, text=True)
    assert bad.returncode == 2 and bad.stderr.count("\n") == 1 and "no such directory" in bad.stderr


@pytest.mark.parametrize("line", ["step:nan - critic/score/mean:0.5", "step:inf - a:1", "step:3 - critic/score/mean:1.2.3"])
def test_numbers_that_are_none_make_no_step(line):
    assert parse(line) is None


def test_a_directory_or_a_pipe_in_place_of_a_file_says_nothing(tmp_path):
    study(tmp_path)
    (tmp_path / "results/grpo/main/manifest.json").mkdir(parents=True)
    (tmp_path / ".snakemake/log").mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / ".snakemake/log/9999.snakemake.log")
    assert any(line.startswith("grpo  ended") for line in printed(tmp_path))


def test_a_manifest_whose_curve_is_none(tmp_path):
    told = status.Standing("grpo", "main", "waiting", 3, 5)
    manifest = {"steps": 3, "validation": {status.DEV: [1, 2]}}
    assert status._trained(told, manifest, status._Log()).dev is None
    assert status._trained(told, {"validation": {status.DEV: {"²": 1.0}}}, status._Log()).dev is None
