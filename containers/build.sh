#!/usr/bin/env bash
# containers/build.sh NAME [--base BOOTSTRAP:FROM] [--python VERSION] [--out FILE]: build containers/NAME.sif (NAME: cpu, cuda).
#
# The locked packages are fetched first, with this host's pip and its settings, and checked against the lock's hashes;
# the build itself sees only these files. So the image holds nothing of the host, and a build needs no network but for its base.
# --base replaces the base of the definition, e.g. localimage:base.sif; --python is the version of that base's Python.
set -euo pipefail

usage() { echo "usage: containers/build.sh cpu|cuda [--base BOOTSTRAP:FROM] [--python VERSION] [--out FILE]" >&2; exit 2; }
name=${1-}; [ "$name" = cpu ] || [ "$name" = cuda ] || usage
shift
python=3.11 base="" out=containers/$name.sif
[ "$name" = cuda ] && python=3.12
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
        --base) base=$2 ;;
        --python) python=$2 ;;
        --out) out=$2 ;;
        *) usage ;;
    esac
    shift 2
done

cd "$(dirname "$0")/.."
command -v apptainer >/dev/null || { echo "error: apptainer is not installed; see docs/how-to/cluster.md" >&2; exit 2; }
host_python=.venv-driver/bin/python
[ -x "$host_python" ] || host_python=python3

work=$(mktemp -d --suffix=.mathrl-build)
trap 'rm -rf "$work"' EXIT
mkdir "$work/wheels"
platforms=()
for glibc in $(seq 17 36); do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64 --platform linux_x86_64)
index=()
# torch's CPU build is on PyTorch's own index; a host that has it elsewhere says so in pip's settings
[ "$name" = cpu ] && [ -z "${PIP_FIND_LINKS-}" ] && index=(--extra-index-url https://download.pytorch.org/whl/cpu)
# the second time for what builds the packages that publish no wheel: the build sees no network
for lock in "$name" tools; do
    "$host_python" -m pip download -qq --disable-pip-version-check --no-deps --require-hashes \
        --implementation cp --python-version "$python" "${platforms[@]}" "${index[@]}" \
        --dest "$work/wheels" --requirement "envs/$lock.txt"
done

commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit=$commit+changes
arguments=(--build-arg "lock=$(sha256sum "envs/$name.txt" | cut -d' ' -f1)" --build-arg "commit=$commit")
# the build runs in a directory of its own, so that the image notes relative names and nothing of this host
cp "containers/$name.def" "$work/"
mkdir "$work/envs"
cp "envs/$name.txt" envs/cuda_home.py envs/kernel.cu "$work/envs/"
if [ -n "$base" ]; then
    from=${base#*:}
    if [ "${base%%:*}" = localimage ]; then
        ln -s "$(readlink -f "$from")" "$work/base.sif"
        from=base.sif
    fi
    arguments+=(--build-arg "bootstrap=${base%%:*}" --build-arg "from=$from")
fi
# --fakeroot also for root: a virtual machine may withhold capabilities that %post would need
(cd "$work" && APPTAINER_BIND="$work/wheels:/mnt${APPTAINER_BIND:+,$APPTAINER_BIND}" APPTAINER_TMPDIR="$work" \
    apptainer build --fakeroot --force --mksquashfs-args "-comp zstd -Xcompression-level 6" "${arguments[@]}" image.sif "$name.def")
mkdir -p "$(dirname "$out")"
mv "$work/image.sif" "$out.new" && mv "$out.new" "$out" # the first may cross file systems
echo "$out: $(du -h "$out" | cut -f1), lock $(sha256sum "envs/$name.txt" | cut -c1-12), commit ${commit:0:12}"
