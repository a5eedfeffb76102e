#!/usr/bin/env bash
# tests/hpc/install.sh: real Apptainer and SLURM on a bare Debian 12 machine, as root, from Debian's own archives.
#
# Apptainer left bookworm: it and the C library it needs are taken from newer suites into a directory of their own, and its two
# executables are pointed at that library; the system's C library stays as it is. Silent about what is there already.
set -euo pipefail
prefix=/opt/apptainer apptainer_suite=sid libc_suite=trixie
[ "$(id -u)" = 0 ] || { echo "error: tests/hpc/install.sh must run as root" >&2; exit 2; }
export DEBIAN_FRONTEND=noninteractive

missing=()
for package in ca-certificates squashfs-tools squashfuse fuse-overlayfs fuse2fs e2fsprogs uidmap libcap2-bin libseccomp2 \
    libsqlite3-0 patchelf mmdebstrap slurm-wlm munge iproute2 util-linux procps git python3 python3-venv; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! apptainer version >/dev/null 2>&1; then
    mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null ||
        awk '/^deb /{print $2; exit}' /etc/apt/sources.list)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # one package of another suite, checked by apt against the signed index; the host's own apt state is not touched
    fetch() {
        local root=$work/$1
        mkdir -p "$root"/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d} "$root"/var/lib/apt/lists/partial \
            "$root"/var/cache/apt/archives/partial "$root"/var/lib/dpkg
        touch "$root/var/lib/dpkg/status"
        cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$root/etc/apt/sources.list"
        local options=(-qq -o Dir="$root" -o Dir::State::status="$root/var/lib/dpkg/status" -o APT::Sandbox::User=root)
        apt-get "${options[@]}" update
        (cd "$work" && apt-get "${options[@]}" download "$2")
    }
    fetch "$apptainer_suite" apptainer
    fetch "$libc_suite" libc6
    dpkg-deb -x "$work"/apptainer_*.deb "$work/apptainer"
    dpkg-deb -x "$work"/libc6_*.deb "$work/libc"
    rm -rf "$prefix"
    mkdir -p "$prefix/libc"
    cp -a "$work"/apptainer/usr/. "$work"/apptainer/etc "$work"/apptainer/var "$prefix/"
    cp -a "$(dirname "$(find "$work/libc" -name libc.so.6 | head -1)")"/*.so* "$prefix/libc/"
    for program in "$prefix/bin/apptainer" "$prefix/lib/x86_64-linux-gnu/apptainer/bin/starter"; do
        patchelf --set-interpreter "$prefix/libc/ld-linux-x86-64.so.2" "$program"
        patchelf --force-rpath --set-rpath "$prefix/libc:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu" "$program"
    done
    ln -s ../etc ../var "$prefix/lib/" # its starter takes <prefix>/lib for its prefix
    ln -sfn "$prefix/bin/apptainer" /usr/local/bin/apptainer
fi

# Another Apptainer's settings lie below /etc: run.sh changes them in its copy alone.
if [ -e "$prefix/etc/apptainer/apptainer.conf" ]; then "$(dirname "$0")/capabilities.sh"; fi
