"""What a log of verl, Ray, vLLM or torch means, and what to change: in plain words, with the key of the configuration."""

from __future__ import annotations

import re

# What Ray adds to every death of a process, whatever it died of.
GUESSES = re.compile(
    r"(?:Some common causes include|There are some potential root causes|If the process was killed by the kernel OOM)[^\n]*"
)
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
    (r"no kernel image is available", "this torch has no code for a GPU this old; use a GPU of compute capability 8.0 or newer"),
    (
        r"Bfloat16 is only supported on GPUs with compute capability",
        "this GPU has no bfloat16; use one of compute capability 8.0 or newer",
    ),
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
        r"low on memory|oom[-_]kill|Out of memory: Killed|OOM [Kk]iller|[1-9]\d* Workers [^\n]{0,30}killed due to memory pressure",
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
        # not what torch says of a CUDA_HOME that it found, in each process without a GPU
        r"Could not find nvcc|CUDA_HOME[^\n]*not set|nvcc: (?:command )?not found|[Nn]inja[^\n]*(?:not found|is required)"
        r"|No such file or directory: '(?:[^'\n]*/)?(?:ninja|nvcc)'",
        "a kernel is to be compiled and there is no compiler; run in the image containers/cuda.sif, or make env-cuda",
    ),
    (
        r"Failed to find C compiler|Python\.h: No such file|No such file or directory: '(?:gcc|g\+\+|cc|c\+\+|clang)'",
        "a kernel must be compiled, and the host lacks a C compiler or Python's headers; install gcc, g++ and the headers (on Debian "
        "or Ubuntu: python3-dev), or run in the image containers/cuda.sif",
    ),
    (
        r"CUDA error: (?:an illegal memory access|device-side assert|unspecified launch failure|misaligned address)|\bXid\b",
        "a kernel crashed on the GPU: run the same command again; if only one GPU does this again, it is broken (dmesg shows Xid)",
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
    (
        r"SIGSEGV|Segmentation fault|Fatal Python error",
        "a library crashed; the log says where, beside SIGSEGV, Segmentation fault or Fatal Python error",
    ),
    (
        r"Worker exit type: SYSTEM_ERROR",
        "a process of verl's died without an exception: it was killed by hand or for the host's memory (dmesg or the job's accounting says "
        "so), or a library crashed",
    ),
)


def explain(text: str) -> str | None:
    """What a log means in plain words, or None if it holds nothing that is known."""
    text = GUESSES.sub("", text)
    for pattern, meaning in SYMPTOMS:
        if match := re.search(pattern, text):
            return meaning.format(*match.groups())
    return None
