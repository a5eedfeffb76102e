"""vLLM's own server with the OpenAI-compatible address, on the CPU, for as long as a block runs."""

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from mathrl.models.engine import engine_environment

from support.waiting import wait_for


@contextlib.contextmanager
def serving(model: Path, name: str, log: Path) -> Iterator[str]:
    """The address of a server of the model in this directory under this name; what it prints goes to `log`."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", name]
    command += ["--host", "127.0.0.1", "--port", port, "--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
    with open(log, "w") as out:
        environment = {**os.environ, **engine_environment("cpu")}
        server = subprocess.Popen([*map(str, command)], env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_for(lambda: is_up(address) or server.poll() is not None, 900, "vLLM's server")
        assert server.poll() is None, log.read_text()[-3000:]
        yield address
    finally:
        server.terminate()
        server.wait(60)


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/models", timeout=2) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False
