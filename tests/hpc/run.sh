#!/usr/bin/env bash
# tests/hpc/run.sh [STEP...] (make test-hpc): the workflow in real Apptainer images and through a real two-node SLURM.
#
# For a bare Debian 12 machine, as root, after `make env`. Steps, in order: install image refusals slurm small contained
# plain wait demo nodes; small does jobs and limits beside what follows, until wait. Each step first removes what an earlier run left.
# All of it lies under $MATHRL_HPC (default /var/tmp/mathrl-hpc; not below /tmp, which the nodes do not share).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
base=${MATHRL_HPC:-/var/tmp/mathrl-hpc}
image=$base/cpu.sif
python=$root/.venv-driver/bin/python
steps=${*:-install image refusals slurm small contained plain wait demo nodes}
export OMP_WAIT_POLICY=passive # jobs share few cores here: threads that wait must not spin
[ "${HOME:-/}" != / ] || export HOME=/root
mkdir -p "$base"
begin=$SECONDS small_jobs=""
end() {
    local code=$?
    [ -z "$small_jobs" ] || kill -- "-$small_jobs" 2>/dev/null || true
    [ $code = 0 ] || echo "FAILED after $((SECONDS - begin)) s; logs lie under $base" >&2
    case " $steps " in *" slurm "*) "$here/stop_slurm.sh" ;; esac
    exit $code
}
trap end EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
await() { # await SECONDS COMMAND...: until the command succeeds
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || fail "waited in vain for: $*"
        sleep 1
    done
}
# a call that hangs fails, with its logs
snakemake() { timeout --foreground 1200 "$root/.venv-driver/bin/snakemake" "$@"; }

# a clone of what is committed, with this checkout's environments: the checkout's own results stay as they are
clone() {
    rm -rf "${base:?}/$1"
    git clone --quiet "$root" "$base/$1"
    ln -s "$root/.venv" "$root/.venv-driver" "$base/$1/"
    ln -s "$image" "$base/$1/containers/cpu.sif"
    cd "$base/$1"
}
small=(--configfile profiles/demo/demo.yaml tests/hpc/demo.yaml)
lock() { sha256sum "$root/envs/cpu.txt" | cut -d' ' -f1; }

step_install() { "$here/install.sh"; }

step_image() {
    [ -e "$base/base.sif" ] || "$here/make_base.sh" "$base/base.sif" libnuma1 g++ python3-dev
    "$root/containers/build.sh" cpu --base "localimage:$base/base.sif" --out "$image" >"$base/build.log" 2>&1 ||
        { tail -n 30 "$base/build.log"; fail "the image was not built"; }
    tail -n 1 "$base/build.log"
    # neither labels, nor definition, nor the build's log name this machine; no text file in the image does, nor where its packages came from
    names >"$base/names"
    if { apptainer inspect --labels "$image"; apptainer inspect --deffile "$image"; sed '$d' "$base/build.log"; } |
        grep -wF -f "$base/names" -e "$(hostname)" ||
        apptainer exec --pwd / --no-mount hostfs,cwd,home,tmp,bind-paths --bind "$base/names:/mnt/names" "$image" \
            grep -rIlF -f /mnt/names /opt /etc /var /root; then
        fail "the image names the machine that built it"
    fi
}

# this machine's directories and kernel, and the hosts that its packages come from; public archives end in .org, and packages name them
names() {
    printf '%s\n' "$root" "$base" .mathrl-build "$(uname -r)"
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; "$python" -m pip config list; env | grep '^PIP_'; } |
        grep -oE "https?://[^/ ']+" | grep -v "\.org$" | sort -u || true
}

# what would go wrong hours later is refused before the first job: on real images, then by the whole workflow
step_refusals() {
    (cd "$root" && .venv/bin/python -m pytest -q -rs tests/execution/test_preflight.py) >"$base/refusals.log" 2>&1 ||
        { tail -n 40 "$base/refusals.log"; fail "the preflight's tests"; }
    if grep -q skipped "$base/refusals.log"; then fail "tests of the preflight are skipped: $(grep SKIPPED "$base/refusals.log")"; fi
    clone refusals
    local demo=(--profile profiles/demo --sdm apptainer) cuda=(--workflow-profile none --cores 2 --config 'containers={cuda: "docker://none.invalid/none@sha256:0"}')
    echo "# changed" >>envs/cpu.txt
    refused "containers/cpu.sif was built from another envs/cpu.txt; build it again: make containers" "${demo[@]}"
    git checkout --quiet envs
    rm containers/cpu.sif
    refused "containers/cpu.sif is not there; build it: make containers" "${demo[@]}"
    refused "asks for 6 GPU(s) and Snakemake was given 4" "${cuda[@]}" --resources gpu=4
    refused "this host shows no GPU; .*profiles/demo" "${cuda[@]}" --resources gpu=6
    [ ! -e results ] || fail "a job ran before the refusal"
    echo "ok: $(tail -n 1 "$base/refusals.log"); a stale image, a missing one, too many GPUs and none are refused"
}

refused() { # refused LINE ARGUMENTS...: Snakemake with these arguments says this line and runs nothing
    local line=$1
    shift
    if snakemake "$@" >"$base/refused.log" 2>&1; then fail "not refused: $line"; fi
    grep -q "$line" "$base/refused.log" || { tail -n 20 "$base/refused.log"; fail "not refused with: $line"; }
}

step_slurm() {
    "$here/stop_slurm.sh"
    "$here/start_slurm.sh" "$base"
}

small_jobs() { # small_jobs DIRECTORY ARGUMENTS...
    mkdir -p "$base/$1"
    cd "$base/$1"
    shift
    snakemake --snakefile "$here/jobs.smk" --workflow-profile none --config root="$root" image="$image" seconds="${seconds:-8}" \
        --apptainer-args="--bind $root" "$@"
}

# jobs of six GPUs queue, jobs of one GPU run side by side on distinct devices: on this host and under SLURM
step_jobs() {
    rm -rf "$base/jobs.local" "$base/jobs.slurm"
    MATHRL_GPUS=6 MATHRL_GPUS_DIR=$base/gpus small_jobs jobs.local --cores 8 --sdm apptainer >"$base/jobs.local.log" 2>&1 ||
        { tail -n 40 "$base/jobs.local.log"; fail "local jobs"; }
    "$python" "$here/check.py" gpus "$base/jobs.local"
    scontrol update nodename=n2 state=drain reason="one node for this step"
    small_jobs jobs.slurm --profile "$root/profiles/slurm" >"$base/jobs.slurm.log" 2>&1 ||
        { tail -n 40 "$base/jobs.slurm.log"; fail "jobs through SLURM"; }
    scontrol update nodename=n2 state=resume
    "$python" "$here/check.py" gpus "$base/jobs.slurm"
}

# pre-empted: again by itself. walltime: told early enough to save, reported with its log; memory: killed, and again with more
step_limits() {
    rm -rf "$base/limits"
    if small_jobs limits --profile "$root/profiles/slurm" --retries 1 long.json greedy.json >"$base/limits.log" 2>&1; then
        fail "a job longer than its walltime succeeded"
    fi
    [ "$(cat "$base/limits/saved.txt")" = saved ] || fail "no time to save before the walltime"
    grep -q "Error in rule long" "$base/limits.log" && grep -q "told to end: saved" "$base/limits.log" || fail "the log of the job is not shown"
    grep -q "Error in rule greedy" "$base/limits.log" && grep -q "exceeded memory limit" "$base/limits.log" ||
        fail "the log of the job over its memory is not shown"
    [ -e "$base/limits/greedy.200.log" ] && [ -e "$base/limits/greedy.json" ] || fail "the second attempt had no more memory"
    rm -rf "$base/preempted"
    (
        await 120 [ -e "$base/preempted/train.0.json.begun" ]
        sbatch --quiet --partition urgent --nodes 2 --gres gpu:6 --output /dev/null --wrap "sleep 5"
    ) &
    seconds=30 small_jobs preempted --profile "$root/profiles/slurm" train.0.json >"$base/preempted.log" 2>&1 ||
        { tail -n 40 "$base/preempted.log"; fail "a pre-empted job did not come again"; }
    wait
    [ "$(grep -c "has been submitted" "$base/preempted.log")" -ge 2 ] || fail "the job was not pre-empted"
    echo "ok: a pre-empted job came again and ended well"
    echo "ok: walltime with time to save, more memory at the second attempt, both reported with their logs"
}

# the small jobs mostly wait: beside them the demo runs on this host
step_small() {
    set -m # a process group of its own, which ends as a whole
    (step_jobs && step_limits) >"$base/small.log" 2>&1 &
    small_jobs=$!
    set +m
}

step_wait() {
    local code=0
    wait "$small_jobs" || code=$?
    small_jobs=""
    cat "$base/small.log"
    return $code
}

# the demo in containers on this host; then without: it takes over the finished training, which it can do only if data, base
# model and versions are the same to the last bit (verl's sampling is not the same twice, on one host neither)
step_contained() {
    clone contained
    snakemake --profile profiles/demo "${small[@]}" --sdm apptainer >"$base/contained.log" 2>&1 ||
        { tail -n 40 "$base/contained.log"; fail "the demo in containers"; }
    "$python" "$here/check.py" provenance results "$(lock)"
}

step_plain() {
    clone plain
    mkdir checkpoints
    cp -a "$base/contained/checkpoints/grpo" checkpoints/
    "$python" "$here/check.py" adopt checkpoints/grpo/main "$(.venv/bin/python -c 'import platform; print(platform.python_version())')"
    snakemake --profile profiles/demo "${small[@]}" >"$base/plain.log" 2>&1 || { tail -n 40 "$base/plain.log"; fail "the demo"; }
    grep -q "rules run without containers" "$base/plain.log" || fail "nothing said that --sdm apptainer is missing"
    grep -q "nothing to train" "$base/plain.log" || fail "data or base model differ without containers"
    "$python" "$here/check.py" scores "$base/plain/results/scores.csv" "$base/contained/results/scores.csv"
    "$python" "$here/check.py" provenance results "no container"
}

# somebody else's Ray on each node, with Ray's own ports and directory
strangers() {
    for node in n1 n2; do
        sbatch --parsable --partition gpu --nodelist "$node" --time 120 --mem 4000 --output "$base/log/stranger.$node.log" \
            --wrap "apptainer exec $image ray start --head --block --num-cpus 1 --include-dashboard=false"
    done
}

strangers_live() {
    [ $# = 2 ] || fail "somebody else's Ray did not start on each node"
    for job in "$@"; do
        [ "$(squeue --noheader --jobs "$job" --format %T)" = RUNNING ] || fail "somebody else's Ray on a node did not survive"
    done
    scancel "$@"
}

# the demo through SLURM in containers: training reaches its walltime, sampling is killed by scancel; the same command goes on.
# The walltime is the partition's own (runtime=0: none is asked for), so that it can be longer for the same command's second call.
step_demo() {
    clone demo
    rm -rf "$base"/demo.*.log "$base/log/jobs"
    local limit others killer call
    read -r -a limit < <("$python" "$here/check.py" walltime "$base/contained")
    printf 'training: {steps: %s}\n' "${limit[1]}" >"$base/steps.yaml"
    mapfile -t others < <(strangers)
    local command=(snakemake --profile profiles/slurm "${small[@]}" "$base/steps.yaml" --slurm-logdir "$base/log/jobs" --slurm-keep-successful-logs --retries 0
        --set-resources train_policy:gpu=6 train_policy:runtime=0 generate_samples:gpu=1 generate_samples:runtime=30)
    (
        await 600 sampling >/dev/null
        sleep 3
        scancel "$(sampling)"
    ) &
    killer=$!
    for call in 1 2 3 4; do
        scontrol update partitionname=gpu defaulttime="${limit[0]}"
        if "${command[@]}" >"$base/demo.$call.log" 2>&1; then
            kill "$killer" 2>/dev/null || true
            fail "jobs killed by scancel and by the walltime count as done"
        fi
        shown "$call" train_policy
        grep -q "the walltime ends soon" "$base/demo.$call.log" || { tail -n 40 "$base/demo.$call.log"; fail "training did not reach its walltime"; }
        ! grep -qE "saved at step [1-9]" "$base/demo.$call.log" || break
        limit[0]=$((limit[0] + 1)) # a busy machine: it had not made one step
    done
    wait "$killer"
    shown 1 generate_samples
    scontrol update partitionname=gpu defaulttime=60
    "${command[@]}" >"$base/demo.last.log" 2>&1 || { tail -n 40 "$base/demo.last.log"; fail "the same command again"; }
    "$python" "$here/check.py" redone "$base/demo.$call.log" "$base/demo.last.log"
    local saved from
    saved=$(grep -oE "saved at step [0-9]+" "$base/demo.$call.log" | head -n 1)
    from=$(grep -rhoE "goes on from step [0-9]+" "$base/log/jobs/rule_train_policy" | tail -n 1)
    [ "${saved##* }" = "${from##* }" ] || fail "training $saved and ${from:-does not go on}"
    grep -rqE "GPUs [0-5] \(given by SLURM\)" "$base/log/jobs/rule_generate_samples" || fail "sampling had no GPU of its own"
    strangers_live "${others[@]}"
    "$python" "$here/check.py" provenance results "$(lock)"
    echo "ok: the demo through SLURM; training of ${limit[1]} steps $saved at its walltime and $from"
}

sampling() { # the first running job of this rule
    squeue --noheader --states running --format "%i %k" | awk '/rule_generate_samples/ {print $1; found = 1; exit} END {exit !found}'
}

shown() { # shown CALL RULE: Snakemake says that a job of this rule failed
    grep -q "Error in rule $2" "$base/demo.$1.log" || { tail -n 40 "$base/demo.$1.log"; fail "rule $2 is not reported"; }
}

# three steps over two nodes, a rank on each
step_nodes() {
    clone nodes
    rm -rf "$base/log/nodes"
    printf 'training: {nodes: 2, steps: 3, save_every: 3, micro_batch_size: 36, micro_batch_size_log_prob: 36}\n' >"$base/nodes.yaml"
    [ ! -d "$base/demo/resources" ] || cp -a "$base/demo/resources" .
    snakemake --profile profiles/slurm "${small[@]}" "$base/nodes.yaml" --slurm-logdir "$base/log/nodes" --slurm-keep-successful-logs --retries 0 \
        --set-resources train_policy:runtime=30 --apptainer-args="--nv" -- results/grpo/main/manifest.json \
        >"$base/nodes.log" 2>&1 || { tail -n 60 "$base/nodes.log"; fail "training over two nodes"; }
    grep -rq "all 2 nodes have joined, 2 ranks" "$base/nodes.log" "$base/log/nodes" || fail "not two nodes"
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
