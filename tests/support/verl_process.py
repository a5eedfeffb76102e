"""A process that has imported verl and then answers questions, each in a fork of its own: the import takes seconds, a fork none.

verl reads its platform from the environment when it is imported, so there is a process for each accelerator.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

SERVER = """
import json, os, sys, tempfile, traceback
import torch, verl
if sys.argv[1:] != ["bare"]:
    import hydra, omegaconf, verl.plugin.platform, verl.trainer.ppo.utils, verl.utils.config
    if os.environ.get("VERL_PLATFORM") == "cpu":
        import mathrl.verl.cpu.worker
wire = os.fdopen(os.dup(1), "w", buffering=1)
for line in sys.stdin:
    question = json.loads(line)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.dup2(out.fileno(), 1), os.dup2(errors.fileno(), 2)
                sys.argv = ["-c", *question["arguments"]]
                exec(question["code"], {"__name__": "__main__"})
                code = 0
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0), errors.seek(0)
        print(json.dumps({"code": code, "out": out.read(), "errors": errors.read()}), file=wire)
"""


class VerlProcess:
    """`ask` runs a program as `python -c` would, in a fork of a process that has imported verl for this accelerator."""

    def __init__(self, accelerator: str, cwd, bare: bool = False) -> None:
        """`bare`: nothing is imported but verl, for questions about what it imports by itself."""
        from mathrl.verl.environment import verl_environment

        environment = {**os.environ, **verl_environment(accelerator), "VLLM_LOGGING_LEVEL": "ERROR"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-c", SERVER, *(["bare"] if bare else [])]
        self.process = subprocess.Popen(command, env=environment, text=True, cwd=cwd, **pipes)

    def ask(self, code: str, *arguments: str) -> str:
        """What the program prints."""
        print(json.dumps({"code": code, "arguments": arguments}), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith('{"code"'):  # an import may have said something before
                answer = json.loads(line)
                assert answer["code"] == 0, answer["errors"][-3000:]
                return answer["out"]
        raise AssertionError(f"the process that imports verl ended with exit code {self.process.wait()}")

    def end(self) -> None:
        self.process.kill()  # it has nothing to keep, and verl takes seconds to say goodbye
        self.process.wait()
