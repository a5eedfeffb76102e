"""What tests/hpc/run.sh claims, checked.

check.py gpus DIR | walltime DIR | redone LOG LOG | paused DIR STEPS | adopt DIR PYTHON | scores A B | provenance DIR LOCK
check.py eightfold FORECAST BENCHMARK | walltimes DIR MINUTES STEPS LOG SLURM JOBS
"""

import csv
import datetime
import json
import math
import re
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TIMES = 8  # a training runs so many times as long as its walltime


def gpus(directory: str) -> str:
    """Jobs of six GPUs never overlap with any other on their node; two jobs never have one device at once; one image."""
    notes = {path.stem: json.loads(path.read_text()) for path in Path(directory).glob("*.*.json")}
    assert len(notes) == 8, sorted(notes)
    side_by_side = 0
    for name, one in notes.items():
        assert one["image"].startswith("lock sha256:"), (name, one)
        wanted = 6 if name.startswith("train") else 1
        assert len(set(one["gpus"].split(","))) == wanted, (name, one)
        for other, two in notes.items():
            if other <= name or one["node"] != two["node"]:
                continue
            if one["begin"] < two["end"] and two["begin"] < one["end"]:
                side_by_side += 1
                shared = set(one["gpus"].split(",")) & set(two["gpus"].split(","))
                assert not shared, f"{name} and {other} ran at once on GPUs {shared}"
    assert side_by_side, "no two jobs ran at once: nothing was shown"
    return f"{side_by_side} pairs of jobs ran at once on distinct devices, jobs of six GPUs alone"


def walltime(directory: str) -> str:
    """Minutes of walltime and a number of steps such that training is told to end after its first steps and before its last.

    From the ten steps of a demo on this machine: told when it has made some five, and had it been twice as fast and told half a
    minute later, as after a first try on a busy machine, it would not be done. A job of five minutes or less is told at half
    of its time, a longer one 150 s before its end.
    """
    manifest = json.loads((Path(directory) / "results/grpo/main/manifest.json").read_text())
    with open(Path(directory) / "logs/train_policy/grpo/main.tsv", newline="") as handle:
        whole = float(next(csv.DictReader(handle, delimiter="\t"))["s"])
    step = manifest["seconds"] / manifest["steps"]
    start = whole - manifest["seconds"]
    wanted = start + 30 + 5 * step  # a sampling job starts beside it
    minutes = math.ceil(wanted / 30) if wanted <= 150 else math.ceil((wanted + 150) / 60)
    told = minutes * 30 if minutes <= 5 else minutes * 60 - 150
    return f"{minutes} {math.ceil(2 * (told + 30 - start / 2) / step)}"


def redone(first: str, second: str) -> str:
    """From the logs of two calls of one command: the second made again what the first call's failed jobs owed, and nothing else."""
    made, finished = {}, set()
    for number, path in enumerate((first, second)):
        text = Path(path).read_text()
        blocks = re.findall(r"^ *(?:local)?rule (\w+):\n((?: +\w+:.*\n)+)", text, re.M)
        for rule, lines in blocks:
            fields = dict(line.strip().split(": ", 1) for line in lines.splitlines() if ": " in line)
            if "output" in fields:
                made[number, rule, fields["jobid"]] = fields["output"]
        finished |= {(number, rule, job) for job, rule in re.findall(r"^ *Finished jobid: (\d+) \(Rule: (\w+)\)", text, re.M)}
    before = {output for key, output in made.items() if key[0] == 0 and key in finished}
    failed = {output for key, output in made.items() if key[0] == 0 and key not in finished}
    after = {output for key, output in made.items() if key[0] == 1 and key in finished}
    assert before and failed, f"{first}: {len(before)} jobs done, {len(failed)} failed"
    assert not before & after, f"done twice: {sorted(before & after)}"
    assert failed <= after, f"failed and not made again: {sorted(failed - after)}"
    return f"{len(before)} jobs were done and stayed so, {len(failed)} had failed and came again, {len(after - failed)} followed"


def paused(directory: str, steps: str) -> str:
    """The training below DIR was paused with a step saved, went on from there, and made all its steps."""
    (place,) = Path(directory).glob("*/trained_by")
    begins = [int(path.stem.rpartition("-")[2]) for path in sorted(place.glob("*-after-*.json"))]
    assert begins[0] == 0 and any(0 < step < int(steps) for step in begins), f"training began after the steps {begins} of {steps}"
    assert (place.parent / "finished.json").exists(), "training did not end"
    return f"training of {steps} steps began after the steps {', '.join(map(str, begins))}: no retry was used"


def eightfold(forecast: str, benchmark: str) -> str:
    """Minutes of walltime and a number of steps for some eleven such walltimes, from a forecast and how long its job took.

    A job runs for three quarters of its walltime: it is told 54 s before the end, 24 of them to save. Of that time it starts.
    """
    found = json.loads(Path(forecast).read_text())
    with open(benchmark, newline="") as handle:
        whole = float(next(csv.DictReader(handle, delimiter="\t"))["s"])
    start = whole - 5 * found["step_seconds"] - found["save_seconds"] - found["validation_seconds"]
    minutes = max(3, math.ceil((start + 54 + 30) / 60))  # at least half a minute of steps
    return f"{minutes} {round(11.2 * (60 * minutes - 54 - start) / found['step_seconds'])}"


def walltimes(directory: str, minutes: str, steps: str, said: str, slurm: str, jobs: str) -> str:
    """The training in DIR ran as one job through eight walltimes or more, of MINUTES each, without a retry, and made each step once.

    LOG is what Snakemake said, SLURM what slurmctld logged meanwhile, JOBS the folder of the jobs' logs.
    """
    sys.path.insert(0, str(SCRIPTS))
    from mathrl.core.tensorboard import read_scalars
    from mathrl.training.session import TRAINED, parse

    spoken, walltime = Path(said).read_text(), 60 * int(minutes)
    submitted = re.findall(r"has been submitted with SLURM jobid (\d+)", spoken)
    assert len(submitted) == 1 and "Error in rule" not in spoken, f"{said}: a pause was a failure: jobs {submitted}"
    runs, pauses = _runs(Path(slurm).read_text(), submitted[0])
    told = sum(log.read_text().count("supervisor: the walltime ends soon") for log in Path(jobs).rglob(f"{submitted[0]}.log"))
    assert TIMES <= pauses <= told, f"SLURM queued the job again {pauses} times, its walltime was told {told} times"
    assert max(runs) < walltime, f"a job ran for {max(runs):.0f} s of {walltime}: SLURM ended it"
    assert sum(runs) >= TIMES * walltime, f"the jobs ran for {sum(runs):.0f} s, less than {TIMES} walltimes of {walltime} s"
    (place,) = (path.parent for path in Path(directory).glob("checkpoints/grpo/main/*/finished.json"))
    begins = [int(path.stem.rpartition("-")[2]) for path in sorted(place.glob("trained_by/*-after-*.json"))]
    assert begins[:1] == [0] and begins == sorted(begins) and len(set(begins)) > TIMES, f"training began after the steps {begins}"
    lines = (parse(line) for line in (place / "verl.log").read_text(errors="replace").splitlines())
    wanted = list(range(1, int(steps) + 1))
    trained = [found[0] for found in lines if found and set(TRAINED) & set(found[1])]
    assert trained == wanted, f"not each step once, in order: {trained}"
    assert [step for step, _ in read_scalars(place / "tensorboard")["critic/score/mean"]] == wanted, "the curve has gaps"
    assert json.loads(Path(directory, "results/grpo/main/manifest.json").read_text())["steps"] == int(steps)
    return (
        f"{steps} steps, each once, in {pauses} walltimes of {minutes} minutes and a last job: {sum(runs) / 60:.1f} minutes, "
        f"{sum(runs) / walltime:.1f} times a walltime; one job, no retry; it began after the steps {', '.join(map(str, begins))}"
    )


def _runs(log: str, job: str) -> tuple[list[float], int]:
    """From slurmctld's log: how many seconds each run of a job took, and how often it was queued again."""
    what = "sched: Allocate|sched/backfill: _start_job: Started|Requeuing|_job_complete:"
    event = rf"^\[(\S+)\] ({what}) JobId=(\d+)(?: done| NodeList=.*| in .*)?$"
    found = [(datetime.datetime.fromisoformat(at), what) for at, what, whose in re.findall(event, log, re.M) if whose == job]
    begins = [at for at, what in found if what.startswith("sched")]
    ends = [at for at, what in found if not what.startswith("sched")]
    assert len(begins) == len(ends), f"job {job} began {len(begins)} times and ended {len(ends)} times"
    runs = [(end - begin).total_seconds() for begin, end in zip(begins, ends, strict=True)]
    return runs, sum(what == "Requeuing" for _, what in found)


def adopt(directory: str, python: str) -> str:
    """Name the finished training below DIR as this Python's: the image has another patch version, all else must be the same."""
    (path,) = Path(directory).glob("*/fingerprint.json")
    sys.path.insert(0, str(SCRIPTS))
    from mathrl.core.files import write_checked_json
    from mathrl.training import directories, fingerprints

    content = directories.read(path.parent)
    content["versions"]["python"] = python
    write_checked_json(path, content)
    path.parent.rename(path.parent.with_name(fingerprints.name(content)))
    return "the training made in containers is taken over"


def scores(first: str, second: str) -> str:
    """Two score tables hold the same rows and columns and the same numbers."""
    tables = []
    for path in (first, second):
        with open(path, newline="") as handle:
            tables.append(list(csv.reader(handle)))
    assert len(tables[0]) == len(tables[1]), f"{first} and {second} have {len(tables[0])} and {len(tables[1])} rows"
    for one, two in zip(*tables, strict=True):
        assert one == two, f"{first} and {second} differ:\n{one}\n{two}"
    return f"{len(tables[0]) - 1} rows of the score table are the same"


def provenance(directory: str, lock: str) -> str:
    """Every JSON result says which image it comes from, by the hash of its lock, and which commit."""
    seen, wanted = 0, lock if " " in lock else f"lock sha256:{lock}"
    for path in sorted(Path(directory).rglob("*.json")):
        value = json.loads(path.read_text())
        if isinstance(value, dict) and "provenance" in value:
            image = value["provenance"]["image"]
            assert image == wanted, f"{path}: image is {image!r}"
            assert value["provenance"]["git_commit"] != "unknown", f"{path}: no commit"
            seen += 1
    assert seen, f"{directory} holds no result with a provenance"
    return f"{seen} results carry '{wanted[:24]}' and the commit"


if __name__ == "__main__":
    checks = {check.__name__: check for check in (gpus, walltime, redone, paused, eightfold, walltimes, adopt, scores, provenance)}
    name, *arguments = sys.argv[1:]
    try:
        said = checks[name](*arguments)
        print(said if name in ("walltime", "eightfold") else f"ok: {said}")
    except AssertionError as error:
        sys.exit(f"FAILED: {name}: {error}")
