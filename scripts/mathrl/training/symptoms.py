"""What a log of verl, Ray, vLLM or torch means, and what to change: in plain words, with the key of the configuration."""

from __future__ import annotations

import re

# What a log says → what it means. The first that is found, from above, is told: causes stand before what follows from them.
SYMPTOMS = (
    (
        r"driver on your system is too old|driver version is insufficient",
        "the NVIDIA driver is too old for this torch; update the driver (580 or newer)",
    ),
    (
        r"devices? (?:is|are) busy or unavailable",
        "another process holds the GPU, or its compute mode lets one process in (nvidia-smi -q -d COMPUTE): set it to Default",
    ),
    (r"no kernel image is available", "this torch has no code for a GPU this old; use a GPU of compute capability 7.5 or newer"),
    (
        r"/dev/shm[^\n]*No space left|Bus error|unable to (?:open|allocate) shared memory",
        "shared memory is full: free /dev/shm, or give the container more (--shm-size)",
    ),
    (r"No space left on device|Disk quota exceeded", "the disk is full; make room, or lower keep_last"),
    (
        r"(?i)due to time limit|due to preemption|walltime[^\n]*exceeded",
        "the scheduler ended the job (time limit or pre-emption); the same command goes on",
    ),
    (
        r"low on memory|oom[-_]kill|Out of memory: Killed|OOM [Kk]iller",
        "the host's memory was full and a process was killed: ask for more memory (mem_mb of train_policy), or lower micro_batch_size",
    ),
    (
        r"Free memory on device|less than desired GPU memory utilization",
        "another process has a part of the GPU's memory; see nvidia-smi, end what holds it, or lower gpu_memory_utilization, of a "
        "process reward with models also reward.process.gpu_memory",
    ),
    (
        r"No available memory for the cache blocks|KV cache is needed, which is larger|can be stored in KV cache",
        "the engine's share of the GPU has no room for its cache: raise gpu_memory_utilization, or lower max_response_length",
    ),
    (
        r"CUDA out of memory|OutOfMemoryError",
        "the GPU's memory is full: lower micro_batch_size and micro_batch_size_log_prob (with dynamic_batch: max_tokens_per_gpu), "
        "then gpu_memory_utilization",
    ),
    (
        r"Could not find nvcc|CUDA_HOME|ninja.*not found|nvcc: (?:command )?not found",
        "a kernel is to be compiled and there is no compiler; run in the image containers/cuda.sif, or make env-cuda",
    ),
    (
        r"NCCL error|nccl(?:System|Internal|Remote|UnhandledCuda)Error|DistBackendError|collective operation timeout",
        "the GPUs cannot talk to each other (NCCL; its lines marked WARN say why); try one GPU, or NCCL_P2P_DISABLE=1",
    ),
    (
        r"ModuleNotFoundError: No module named '([\w.]+)'",
        "a package is missing: {0}; install the environment of the lock (make env-cuda) or use the image containers/cuda.sif",
    ),
    (
        r"SIGKILL|exit code -9\b|exit code 137\b",
        "a process was killed from outside: by the scheduler, by the host for its memory, or by hand; see the job's accounting",
    ),
)


def explain(text: str) -> str | None:
    """What a log means in plain words, or None if it holds nothing that is known."""
    for pattern, meaning in SYMPTOMS:
        if match := re.search(pattern, text):
            return meaning.format(*match.groups())
    return None
