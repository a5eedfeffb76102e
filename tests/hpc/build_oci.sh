#!/usr/bin/env bash
# tests/hpc/build_oci.sh [BASE]: build containers/cuda.Containerfile where no registry and no daemon is at hand, with buildah in a chroot.
#
# BASE is an image that buildah knows (default: one made on the spot from Debian packages). The host's certificates and pip settings are
# mounted while it builds; they are no part of the image. It takes some 30 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
for program in buildah debootstrap; do
    command -v "$program" >/dev/null || { echo "error: $program is not installed; apt-get install buildah debootstrap" >&2; exit 2; }
done
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
base=${1-}
if [ -z "$base" ]; then
    base=localhost/mathrl-base
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    debootstrap --variant=minbase --include=python3,python3-venv,python3-dev,libnuma1,ca-certificates bookworm "$work/rootfs" >/dev/null
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/rootfs" /
    buildah commit --quiet --rm "$container" "$base"
fi
mounts=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
for file in /etc/pip.conf /etc/xdg/pip; do [ ! -e "$file" ] || mounts+=(--volume "$file:$file:ro"); done
buildah build --from "$base" "${mounts[@]}" --file containers/cuda.Containerfile --tag mathrl-cuda \
    --build-arg "lock=$(sha256sum envs/cuda.txt | cut -d' ' -f1)" --build-arg "commit=$(git rev-parse HEAD)" .
buildah images mathrl-cuda
