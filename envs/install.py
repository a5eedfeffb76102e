"""install.py NAME DIRECTORY: install envs/NAME.txt into the virtual environment DIRECTORY (make env).

- Every file is checked against the lock's hashes, and so is what builds the few packages that publish no wheel.
- uv installs, in a fraction of pip's time. It does not read pip's settings, so it gets them here; where it fails, pip gets a try.
- torch's CPU build lies on PyTorch's own index, or on whatever index pip is configured with where that one is out of reach.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


def pip_settings(listing: str) -> dict[str, str]:
    """Settings by name, from `pip config list`; the environment counts more than [install], and that more than [global]."""
    found = {}
    for level in ("global", "install", ":env:"):
        found |= {name: ast.literal_eval(value) for name, value in re.findall(rf"^{level}\.(\S+?)=(.*)$", listing, re.M)}
    return found


def uv_options(settings: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """What says the same to uv: options, and variables of the environment."""
    options = ["--index-strategy", "unsafe-best-match"]  # pip looks into every index too, and hashes say which file it is
    options += ["--no-index"] if settings.get("no-index", "") in {"1", "true", "yes"} else []
    for name, option in (("extra-index-url", "--index"), ("find-links", "--find-links"), ("trusted-host", "--allow-insecure-host")):
        options += [word for value in settings.get(name, "").split() for word in (option, value)]
    if "index-url" in settings:
        options += ["--default-index", settings["index-url"]]
    variables = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "proxy": "ALL_PROXY"}
    variables |= {"default-timeout": "UV_HTTP_TIMEOUT", "timeout": "UV_HTTP_TIMEOUT"}
    return options, {variables[name]: value for name, value in settings.items() if name in variables}


def install(lock: Path, environment: Path) -> None:
    """Install what a lock names, with the tools of .venv-tools."""
    tools = lock.parent.parent / ".venv-tools"
    pip = [tools / "bin/pip", "--disable-pip-version-check"]
    settings = pip_settings(subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout)
    options, variables = uv_options(settings)
    with tempfile.TemporaryDirectory(dir=environment) as folder:
        for pin in re.findall(r"^torch==\S+\+cpu", lock.read_text(), re.M):
            download = [*pip, "download", "-qqq", "--no-deps", "--only-binary=:all:", "--dest", folder, pin]
            if subprocess.run([*download, "--retries=1"], stderr=subprocess.DEVNULL).returncode:
                subprocess.run([*download, f"--index-url={TORCH_INDEX}"], check=True)
        wanted = ["--no-deps", "--require-hashes", "--find-links", folder, "--requirement", lock]
        python = ["--python", environment / "bin/python"]
        uv = [tools / "bin/uv", "pip", "install", "--quiet", "--compile-bytecode", *python, "--cache-dir", tools / "cache"]
        uv += ["--build-constraints", lock.parent / "tools.txt", *options, *wanted]
        if subprocess.run(uv, env=os.environ | variables).returncode:
            print("uv could not install them; pip tries, which takes minutes", file=sys.stderr)
            subprocess.run([*pip, *python, "install", "-qq", *wanted], check=True)


if __name__ == "__main__":
    name, directory = sys.argv[1:]
    try:
        install(Path(__file__).resolve().parent / f"{name}.txt", Path(directory).resolve())
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {directory} could not be made from envs/{name}.txt: {Path(error.cmd[0]).name} ended with {error.returncode}")
