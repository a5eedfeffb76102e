#!/usr/bin/env bash
# tests/hpc/run.sh [STEP...] (make test-hpc): the workflow in real Apptainer images and through a real two-node SLURM.
#
# For a bare Debian 12 machine, as root, after `make env`. Steps, in order: install image plain contained slurm
# jobs limits demo nodes.
# All of it lies under $MATHRL_HPC (default /var/tmp/mathrl-hpc; not below /tmp, which the nodes do not share).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
base=${MATHRL_HPC:-/var/tmp/mathrl-hpc}
image=$base/cpu.sif
python=$root/.venv-driver/bin/python
steps=${*:-install image plain contained slurm jobs limits demo nodes}
mkdir -p "$base"
begin=$SECONDS
end() {
    local code=$?
    [ $code = 0 ] || echo "FAILED after $((SECONDS - begin)) s; logs lie under $base" >&2
    case " $steps " in *" slurm "*) "$here/stop_slurm.sh" "$base" ;; esac
    exit $code
}
trap end EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
snakemake() { "$root/.venv-driver/bin/snakemake" "$@"; }

# a clone of what is committed, with this checkout's environments: the checkout's own results stay as they are
clone() {
    rm -rf "${base:?}/$1"
    git clone --quiet "$root" "$base/$1"
    ln -s "$root/.venv" "$root/.venv-driver" "$base/$1/"
    ln -s "$image" "$base/$1/containers/cpu.sif"
    cd "$base/$1"
}
small=(--configfile profiles/demo/demo.yaml tests/hpc/demo.yaml)
slurm=(--profile profiles/slurm "${small[@]}" --slurm-logdir "$base/log/jobs" --set-resources train_policy:gpu=6
    train_policy:runtime=30 generate_samples:gpu=1 generate_samples:runtime=30)
lock() { sha256sum "$root/envs/cpu.txt" | cut -d' ' -f1; }

step_install() { "$here/install.sh"; }

step_image() {
    [ -e "$base/base.sif" ] || "$here/make_base.sh" "$base/base.sif" libnuma1 g++ python3-dev
    "$root/containers/build.sh" cpu --base "localimage:$base/base.sif" --out "$image" >"$base/build.log" 2>&1 ||
        { tail -n 30 "$base/build.log"; fail "the image was not built"; }
    tail -n 1 "$base/build.log"
    # neither the labels nor the definition in the image may name this machine or its directories
    if { apptainer inspect --labels "$image"; apptainer inspect --deffile "$image"; } | grep -F -e "$root" -e "$base" -e "$(hostname -f)"; then
        fail "the image names the machine that built it"
    fi
}

step_slurm() {
    "$here/stop_slurm.sh" "$base"
    "$here/start_slurm.sh" "$base"
}

small_jobs() { # small_jobs DIRECTORY ARGUMENTS...
    mkdir -p "$base/$1"
    cd "$base/$1"
    shift
    snakemake --snakefile "$here/jobs.smk" --workflow-profile none --config root="$root" image="$image" seconds="${seconds:-8}" \
        --apptainer-args="--bind $root" "$@"
}

# jobs of six cards queue, jobs of one card run side by side on distinct devices: on this host and under SLURM
step_jobs() {
    rm -rf "$base/jobs.local" "$base/jobs.slurm"
    MATHRL_CARDS=6 MATHRL_CARDS_DIR=$base/cards small_jobs jobs.local --cores 8 --sdm apptainer >"$base/jobs.local.log" 2>&1 ||
        { tail -n 40 "$base/jobs.local.log"; fail "local jobs"; }
    "$python" "$here/check.py" cards "$base/jobs.local"
    scontrol update nodename=n2 state=drain reason="one node for this step"
    small_jobs jobs.slurm --profile "$root/profiles/slurm" >"$base/jobs.slurm.log" 2>&1 ||
        { tail -n 40 "$base/jobs.slurm.log"; fail "jobs through SLURM"; }
    scontrol update nodename=n2 state=resume
    "$python" "$here/check.py" cards "$base/jobs.slurm"
}

# pre-empted: again by itself. walltime: told early enough to save, reported with its log; memory: killed, and again with more
step_limits() {
    rm -rf "$base/limits"
    if small_jobs limits --profile "$root/profiles/slurm" --retries 1 long.json greedy.json >"$base/limits.log" 2>&1; then
        fail "a job longer than its walltime succeeded"
    fi
    [ "$(cat "$base/limits/saved.txt")" = saved ] || fail "no time to save before the walltime"
    grep -q "the walltime ends soon" "$base/limits.log" || fail "the log of the job is not shown"
    [ -e "$base/limits/greedy.200.log" ] && [ -e "$base/limits/greedy.json" ] || fail "the second attempt had no more memory"
    rm -rf "$base/preempted"
    (
        until squeue --noheader --format "%T %k" | grep -q "RUNNING rule_train"; do sleep 1; done
        sleep 5
        sbatch --quiet --partition urgent --nodes 2 --gres gpu:6 --output /dev/null --wrap "sleep 5"
    ) &
    seconds=15 small_jobs preempted --profile "$root/profiles/slurm" train.0.json >"$base/preempted.log" 2>&1 ||
        { tail -n 40 "$base/preempted.log"; fail "a pre-empted job did not come again"; }
    wait
    [ "$(grep -c "has been submitted" "$base/preempted.log")" -ge 2 ] || fail "the job was not pre-empted"
    echo "ok: a pre-empted job came again and ended well"
    echo "ok: walltime with time to save, more memory at the second attempt, both reported with their logs"
}

# the demo on this host: without containers, then in them
step_plain() {
    clone plain
    snakemake --profile profiles/demo "${small[@]}" >"$base/plain.log" 2>&1 || { tail -n 40 "$base/plain.log"; fail "the demo"; }
}

step_contained() {
    clone contained
    snakemake --profile profiles/demo "${small[@]}" --sdm apptainer >"$base/contained.log" 2>&1 ||
        { tail -n 40 "$base/contained.log"; fail "the demo in containers"; }
    "$python" "$here/check.py" scores "$base/plain/results/scores.csv" "$base/contained/results/scores.csv"
    "$python" "$here/check.py" provenance "$base/contained/results" "$(lock)"
}

# the demo through SLURM in containers; training is killed by scancel after its first checkpoint, the same command goes on
step_demo() {
    clone demo
    (
        until compgen -G "checkpoints/grpo/*/*/global_step_*" >/dev/null; do sleep 1; done
        sleep 2
        squeue --noheader --format "%i %k" | awk '/rule_train_policy/ {print $1}' | xargs -r scancel
    ) &
    killer=$!
    if snakemake "${slurm[@]}" --retries 0 >"$base/demo.log" 2>&1; then
        kill "$killer" 2>/dev/null || true
        fail "the job killed by scancel counts as done"
    fi
    wait "$killer"
    grep -q "Error in rule train_policy" "$base/demo.log" || { tail -n 40 "$base/demo.log"; fail "not the killed job failed"; }
    snakemake "${slurm[@]}" >"$base/demo.again.log" 2>&1 || { tail -n 40 "$base/demo.again.log"; fail "the same command again"; }
    grep -rq "goes on from step" "$base/demo.again.log" "$base/log/jobs" logs || fail "training did not go on from its checkpoint"
    if grep -qE "^(local)?rule (clean_problems|decontaminate_problems|make_demo_model):" "$base/demo.again.log"; then
        fail "finished work was done again"
    fi
    "$python" "$here/check.py" provenance results "$(lock)"
    echo "ok: the demo through SLURM, killed and continued"
}

# three steps over two nodes, a rank on each
step_nodes() {
    clone nodes
    printf 'training: {nodes: 2, steps: 3, save_every: 3}\n' >"$base/nodes.yaml"
    [ ! -d "$base/demo/resources" ] || cp -a "$base/demo/resources" .
    snakemake "${slurm[@]:0:2}" --configfile profiles/demo/demo.yaml tests/hpc/demo.yaml "$base/nodes.yaml" \
        --set-resources train_policy:runtime=30 --apptainer-args="--nv" -- results/grpo/main/manifest.json \
        >"$base/nodes.log" 2>&1 || { tail -n 60 "$base/nodes.log"; fail "training over two nodes"; }
    grep -rq "all 2 nodes have joined, 2 ranks" "$base/nodes.log" logs .snakemake/slurm_logs 2>/dev/null || fail "not two nodes"
    "$python" "$here/check.py" provenance results "$(lock)"
    echo "ok: three steps over two nodes"
}

for step in $steps; do
    started=$SECONDS
    echo "== $step"
    "step_$step"
    echo "== $step: $((SECONDS - started)) s"
done
echo "passed in $((SECONDS - begin)) s"
