#!/usr/bin/env bash
# tests/hpc/make_base.sh OUT.sif [PACKAGE...]: a base image from Debian packages alone, where no registry is at hand.
# Its /dev is emptied, so that a --fakeroot build can unpack it.
set -euo pipefail
out=$(readlink -f "$(dirname "$1")")/$(basename "$1")
shift
packages=python3,python3-venv,ca-certificates
for package in "$@"; do packages+=,$package; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' bookworm "$work/rootfs"
rm -rf "$work"/rootfs/dev/* "$work"/rootfs/var/cache/apt/*.bin "$work"/rootfs/var/lib/apt/lists/* "$work"/rootfs/var/log/*
# of this host in a fresh root: its name, its resolver and its apt mirror
: >"$work/rootfs/etc/hostname"
: >"$work/rootfs/etc/resolv.conf"
: >"$work/rootfs/etc/apt/sources.list"
rm -f "$work"/rootfs/etc/apt/apt.conf.d/99mmdebstrap
(cd "$work" && apptainer --quiet build --force base.sif rootfs) # a relative source: the image notes where it came from
mv "$work/base.sif" "$out.new" && mv "$out.new" "$out" # whole or not at all; the first may cross file systems
