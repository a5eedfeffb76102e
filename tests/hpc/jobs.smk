# Jobs that note when, where and on which GPUs they ran; for tests/hpc/run.sh. Config: root (the checkout), seconds.

import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(config["root"]) / "scripts"))
from mathrl.execution import pauses, processes, slurm

if workflow.exec_mode.name != "SUBPROCESS":
    os.environ[processes.OWNER] = processes.owner_token()
slurm.note_deadline()
if workflow.exec_mode.name == "REMOTE":
    pauses.read_at_exit()
ROOT = shlex.quote(config["root"])
RUN = f"python3 {ROOT}/scripts/run_job.py --grace 10 --gpus"
NOTE = f"python3 {ROOT}/tests/hpc/note.py"


container: config["image"]


rule all:
    input:
        expand("train.{i}.json", i=range(2)),
        expand("generate.{i}.json", i=range(6)),


rule train:
    output:
        "train.{i}.json",
    resources:
        gpu=6,
        mem_mb=500,
        runtime=5,
    shell:
        "{RUN} {resources.gpu} -- {NOTE} {output} {config[seconds]}"


rule generate:
    output:
        "generate.{i}.json",
    resources:
        gpu=1,
        mem_mb=500,
        runtime=5,
    shell:
        "{RUN} {resources.gpu} -- {NOTE} {output} {config[seconds]}"


rule long:
    """Three times as long as its minute of walltime; saves when it is told, and goes on from there."""
    output:
        "long.json",
    log:
        "long.log",
    resources:
        gpu=1,
        mem_mb=500,
        runtime=1,
    shell:
        "{RUN} {resources.gpu} -- {NOTE} {output} 600 --save saved.txt --parts 3 > {log} 2>&1"


rule stuck:
    """Longer than its minute of walltime; saves nothing."""
    output:
        "stuck.json",
    log:
        "stuck.log",
    retries: 0
    resources:
        gpu=1,
        mem_mb=500,
        runtime=1,
    shell:
        "{RUN} {resources.gpu} -- {NOTE} {output} 600 > {log} 2>&1"


rule greedy:
    """Takes 800 MB of 200, and comes again with more."""
    output:
        "greedy.json",
    resources:
        mem_mb=lambda wildcards, attempt: 200 if attempt == 1 else 2000,
        runtime=5,
    shell:
        "{RUN} 0 -- {NOTE} {output} 8 --megabytes 800 > greedy.{resources.mem_mb}.log 2>&1"
