#!/usr/bin/env bash
# check_laptop.sh [ROOT]: say in one line why this machine cannot run the demo, before 4 GB are installed (make env).
# ANYWAY=1 goes on all the same. ROOT stands before /proc and /sys: tests lend a machine of their own.
set -euo pipefail
root=${1-}
refuse() {
    [ -z "${ANYWAY-}" ] || { echo "warning: $1" >&2; exit 0; }
    echo "error: $1; $2 (to try all the same: make demo ANYWAY=1)" >&2
    exit 2
}

system=$(uname -s) machine=$(uname -m)
[ "$system $machine" = "Linux x86_64" ] ||
    refuse "found $system on $machine, and the packages exist for Linux on x86_64 only" "run it on such a machine, for example a remote one"

# 12 GB are 11.2 GiB, and the kernel and a graphics chip keep some of it: 10.5 GiB pass. A container or a slice may have less.
bytes=$(awk '/^MemTotal:/ {printf "%.0f", $2 * 1024}' "$root/proc/meminfo")
while IFS=: read -r _ kind place; do
    case $kind in
        "") group=$root/sys/fs/cgroup limit=memory.max ;;
        memory) group=$root/sys/fs/cgroup/memory limit=memory.limit_in_bytes ;;
        *) continue ;;
    esac
    while :; do
        value=$(cat "$group$place/$limit" 2>/dev/null || true)
        # "max", or a number near 2^63, is no limit
        if [[ $value =~ ^[0-9]{1,18}$ ]] && [ "$value" -lt "$bytes" ]; then bytes=$value; fi
        [ -n "${place#/}" ] || break
        place=${place%/*}
    done
done < <(cat "$root/proc/self/cgroup" 2>/dev/null || true)
[ "$bytes" -ge $((10752 * 1024 * 1024)) ] ||
    refuse "found $(awk -v b="$bytes" 'BEGIN {printf "%.1f", b / 2^30}') GiB of memory, and the demo needs 12 GB" \
        "run it on a larger machine, or raise the limit"

# pycosat, which has no wheel, and TorchInductor's kernels are compiled.
command -v g++ >/dev/null || refuse "found no g++" "install it, on Debian or Ubuntu: apt-get install g++"
[ -z "${PYTHON-}" ] || "$PYTHON" -c 'import pathlib, sysconfig, sys; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' ||
    refuse "found no Python.h for $PYTHON" "install its headers, on Debian or Ubuntu: apt-get install python3-dev"
