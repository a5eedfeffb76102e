#!/usr/bin/env bash
# envs/lock.sh: resolve envs/*.in into hash-locked envs/*.txt with uv (make lock).
# The locks hold for Python 3.11 and 3.12: they are resolved for 3.11 and list the hashes of every wheel of a version.
set -euo pipefail
cd "$(dirname "$0")"
uv() { command uv pip compile --quiet --generate-hashes --no-annotate --no-header --python-version 3.11 \
    --python-platform x86_64-manylinux_2_28 "$@"; }
# shellcheck disable=SC2086
uv --overrides cpu-exclude.txt ${UV_LOCK_ARGS:---extra-index-url https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match} \
    cpu.in -o cpu.txt
uv cuda.in -o cuda.txt
uv driver.in -o driver.txt
# An index that holds one Python's torch wheel lists one hash. These are PyTorch's own for 2.13.0+cpu on x86-64 Linux, CPython 3.11 and 3.12.
python3 - <<'PY'
import pathlib, re
path = pathlib.Path("cpu.txt")
hashes = ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
          "4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2"]
pin = "torch==2.13.0+cpu" + "".join(f" \\\n    --hash=sha256:{h}" for h in hashes) + "\n"
path.write_text(re.sub(r"^torch==2\.13\.0\+cpu(?: \\\n    --hash=\S+)+\n", pin, path.read_text(), flags=re.M))
PY
