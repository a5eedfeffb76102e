#!/usr/bin/env bash
# tests/hpc/stop_slurm.sh: stop what start_slurm.sh started; harmless if nothing runs.
set -uo pipefail
run=/run/mathrl-hpc
[ ! -s $run/slurmctld.pid ] || timeout 10 scancel --quiet --user "$(id -un)" 2>/dev/null
for file in $run/slurmd.*.pid $run/slurmctld.pid $run/munged.pid; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    case $(cat "/proc/$pid/comm" 2>/dev/null) in slurmd | slurmctld | munged) ;; *) continue ;; esac
    kill "$pid" 2>/dev/null || continue
    # to its end: a munged that still closes its socket would take the next one's with it
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null
done
rm -rf $run
for node in n1 n2; do
    ip netns pids "mathrl-$node" 2>/dev/null | xargs -r kill -9 2>/dev/null
    ip netns delete "mathrl-$node" 2>/dev/null
    ip link delete "mathrl-$node" 2>/dev/null
done
ip link delete mathrl0 2>/dev/null
exit 0
