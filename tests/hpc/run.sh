#!/usr/bin/env bash
# tests/hpc/run.sh [STEP...] (make test-hpc): the workflow in real Apptainer images and through a real two-node SLURM.
#
# For a bare Debian 12 machine, as root, after `make env`. Steps, in order: install image refusals slurm small contained
# plain wait demo nodes; small does jobs and limits beside what follows, until wait. One more takes 40 minutes and runs only
# where it is named: slurm walltimes. Each step first removes what an earlier run left.
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

# Debian's packages bring files below /etc, and stay. What the steps change there (SLURM's configuration, munge's key, root's range of user
# ids, what an Apptainer of the host's own allows root), they change in a copy that nobody else sees.
etc() { find /etc -xdev -printf '%p %s %T@\n' | sort | sha256sum; }
if [ -z "${MATHRL_HPC_OWN_ETC:-}" ]; then
    case " $steps " in *" install "*) "$here/install.sh" ;; esac
    before=$(etc) code=0
    MATHRL_HPC_OWN_ETC=1 unshare --mount --propagation private "$here/run.sh" $steps || code=$?
    [ "$(etc)" = "$before" ] || { echo "FAILED: files below /etc were changed" >&2; exit 1; }
    exit $code
fi
rm -rf "$base/etc"
cp -a /etc "$base/etc"
mount --bind "$base/etc" /etc
if command -v apptainer >/dev/null && command -v capsh >/dev/null; then "$here/capabilities.sh"; fi
for file in /etc/subuid /etc/subgid; do grep -q '^root:' "$file" || echo root:100000:65536 >>"$file"; done # for `apptainer build --fakeroot`

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
snakemake() { timeout --foreground "${patience:-1200}" "$root/.venv-driver/bin/snakemake" "$@"; }

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

step_install() { echo "apptainer $(apptainer version), $(slurmctld -V)"; } # it was done before /etc was a copy

step_image() {
    [ -e "$base/base.sif" ] || "$here/make_base.sh" "$base/base.sif" libnuma1 g++ python3-dev
    mkdir -p "$base/tmp" # a TMPDIR that the image does not have
    TMPDIR=$base/tmp "$root/containers/build.sh" cpu --base "localimage:$base/base.sif" --out "$image" >"$base/build.log" 2>&1 ||
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
        --apptainer-args="--bind '$root'" "$@"
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

# pre-empted or at its walltime: saves, and goes back into the queue, no retry used; without progress it fails after the third
# time, with its log; memory: killed, and again with more
step_limits() {
    rm -rf "$base/limits"
    if small_jobs limits --profile "$root/profiles/slurm" --retries 1 long.json stuck.json greedy.json >"$base/limits.log" 2>&1; then
        fail "a job longer than its walltime that saves nothing succeeded"
    fi
    [ -e "$base/limits/long.json" ] && [ "$(sort "$base/limits/long.json.begun" | uniq -c | awk '{print $1}')" = 4 ] ||
        fail "a job three times as long as its walltime did not go on until it was done: $(cat "$base/limits/long.json.begun")"
    ! grep -q "Error in rule long" "$base/limits.log" || fail "a pause counts as a failure"
    grep -q "Error in rule stuck" "$base/limits.log" && grep -q "was told to end 3 times in a row" "$base/limits.log" ||
        fail "the log of the job without progress is not shown"
    [ "$(wc -l <"$base/limits/stuck.json.begun")" = 3 ] || fail "a job without progress went on"
    grep -q "Error in rule greedy" "$base/limits.log" && grep -q "exceeded memory limit" "$base/limits.log" ||
        fail "the log of the job over its memory is not shown"
    [ -e "$base/limits/greedy.200.log" ] && [ -e "$base/limits/greedy.json" ] || fail "the second attempt had no more memory"
    rm -rf "$base/preempted"
    (
        await 120 [ -e "$base/preempted/train.0.json.begun" ]
        sbatch --quiet --partition urgent --nodes 2 --gres gpu:6 --output /dev/null --wrap "sleep 5"
    ) &
    seconds=30 small_jobs preempted --profile "$root/profiles/slurm" --retries 0 train.0.json >"$base/preempted.log" 2>&1 ||
        { tail -n 40 "$base/preempted.log"; fail "a pre-empted job did not come again"; }
    wait
    [ "$(wc -l <"$base/preempted/train.0.json.begun")" -ge 2 ] || fail "the job was not pre-empted"
    echo "ok: a pre-empted job came again and ended well, without a retry"
    echo "ok: a job went on over four walltimes without a retry; one without progress failed at its third; more memory at a second attempt"
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
# model and versions are the same to the last bit
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

# the demo through SLURM in containers: training reaches its walltime, saves and goes back into the queue; sampling is killed by scancel,
# and the same command goes on. The walltime is the partition's own (runtime=0: none is asked for); see more_time.
step_demo() {
    clone demo
    rm -rf "$base"/demo.*.log "$base/log/jobs"
    local limit others helpers
    read -r -a limit < <("$python" "$here/check.py" walltime "$base/contained")
    printf 'training: {steps: %s}\n' "${limit[1]}" >"$base/steps.yaml"
    mapfile -t others < <(strangers)
    local command=(snakemake --profile profiles/slurm "${small[@]}" "$base/steps.yaml" --slurm-logdir "$base/log/jobs" --slurm-keep-successful-logs --retries 0
        --set-resources train_policy:gpu=6 train_policy:runtime=0 generate_samples:gpu=1 generate_samples:runtime=30)
    (
        await 600 job_of generate_samples running >/dev/null
        sleep 3
        scancel "$(job_of generate_samples running)"
    ) &
    helpers=$!
    more_time "${limit[0]}" &
    helpers+=" $!"
    scontrol update partitionname=gpu defaulttime="${limit[0]}"
    if "${command[@]}" >"$base/demo.1.log" 2>&1; then
        kill $helpers 2>/dev/null || true
        fail "a job killed by scancel counts as done"
    fi
    scontrol update partitionname=gpu defaulttime=60
    # shellcheck disable=SC2086
    wait $helpers
    shown 1 generate_samples
    if grep -q "Error in rule train_policy" "$base/demo.1.log"; then fail "a pause of training counts as a failure"; fi
    "${command[@]}" >"$base/demo.last.log" 2>&1 || { tail -n 40 "$base/demo.last.log"; fail "the same command again"; }
    "$python" "$here/check.py" redone "$base/demo.1.log" "$base/demo.last.log"
    "$python" "$here/check.py" paused checkpoints/grpo/main "${limit[1]}"
    grep -rqE "GPUs [0-5] \(given by SLURM\)" "$base/log/jobs/rule_generate_samples" || fail "sampling had no GPU of its own"
    strangers_live "${others[@]}"
    "$python" "$here/check.py" provenance results "$(lock)"
    echo "ok: the demo through SLURM"
}

# Once training waits in the queue again: with a step saved it gets all the time that it needs; before, on a busy machine, a minute more.
more_time() { # more_time MINUTES
    local job minutes=$1
    while true; do
        await 1200 again_in_queue
        job=$(job_of train_policy pending)
        minutes=$((minutes + 1))
        [ -z "$(ls -d "$base"/demo/checkpoints/grpo/main/*/global_step_* 2>/dev/null)" ] || minutes=60
        scontrol update jobid="$job" timelimit="$minutes"
        [ "$minutes" != 60 ] || return 0
        await 600 job_of train_policy running >/dev/null
    done
}

again_in_queue() {
    local job
    job=$(job_of train_policy pending) && scontrol show job "$job" --oneliner | grep -q "Restarts=[1-9]"
}

job_of() { # job_of RULE STATE: the first job of this rule in this state
    squeue --noheader --states "$2" --format "%i %k" | awk -v rule="rule_$1" '$0 ~ rule {print $1; found = 1; exit} END {exit !found}'
}

shown() { # shown CALL RULE: Snakemake says that a job of this rule failed
    grep -q "Error in rule $2" "$base/demo.$1.log" || { tail -n 40 "$base/demo.$1.log"; fail "rule $2 is not reported"; }
}

# A training whose jobs run eight times as long as their walltime, unattended; without containers, as docs/how-to/cluster.md says.
# A walltime has room for a start and some twenty steps; how many there must be says a forecast on this machine.
step_walltimes() {
    clone walltimes
    rm -rf "$base/log/walltimes"
    [ ! -d "$base/contained/resources" ] || cp -a "$base/contained/resources" .
    sed -i '/apptainer/d' profiles/slurm/config.yaml
    local settings=("${small[@]}" "$base/walltimes.yaml") limits before
    printf 'training: {steps: 1000, save_every: 50, validate_every: 50, end_minutes: 0.4}\n' >"$base/walltimes.yaml"
    snakemake --profile profiles/demo "${settings[@]}" -- results/grpo/main/forecast.json >"$base/forecast.log" 2>&1 ||
        { tail -n 40 "$base/forecast.log"; fail "the forecast"; }
    read -r -a limits < <("$python" "$here/check.py" eightfold results/grpo/main/forecast.json logs/forecast_training/grpo/main.tsv)
    echo "${limits[1]} steps, a walltime of ${limits[0]} minutes"
    sed -i "s/1000/${limits[1]}/" "$base/walltimes.yaml"
    before=$(stat -c %s "$base/log/slurmctld.log")
    patience=2700 snakemake --profile profiles/slurm "${settings[@]}" --slurm-logdir "$base/log/walltimes" --slurm-keep-successful-logs \
        --retries 0 --set-resources train_policy:runtime="${limits[0]}" -- results/grpo/main/manifest.json >"$base/walltimes.log" 2>&1 ||
        { tail -n 40 "$base/walltimes.log"; fail "a training of many walltimes"; }
    tail -c "+$((before + 1))" "$base/log/slurmctld.log" >"$base/walltimes.slurm"
    "$root/.venv/bin/python" "$here/check.py" walltimes . "${limits[@]}" "$base/walltimes.log" "$base/walltimes.slurm" "$base/log/walltimes"
}

# three steps over two nodes, a rank on each
step_nodes() {
    clone nodes
    rm -rf "$base/log/nodes"
    printf 'training: {nodes: 2, steps: 3, save_every: 3, micro_batch_size: 36, micro_batch_size_log_prob: 36}\n' >"$base/nodes.yaml"
    for made in demo contained; do [ -d resources ] || [ ! -d "$base/$made/resources" ] || cp -a "$base/$made/resources" .; done
    snakemake --profile profiles/slurm "${small[@]}" "$base/nodes.yaml" --slurm-logdir "$base/log/nodes" --slurm-keep-successful-logs --retries 0 \
        --set-resources train_policy:runtime=30 --apptainer-args="--nv" -- results/grpo/main/manifest.json >"$base/nodes.log" 2>&1 &
    local run=$!
    await 1200 grep -rqs "step 1 of 3" "$base/log/nodes"
    rm -f "$base/bomb"
    "$root/.venv/bin/python" "$here/strangers.py" "$base/bomb" n1=10.77.0.11 n2=10.77.0.12 || fail "a stranger on the network got something"
    wait $run || { tail -n 60 "$base/nodes.log"; fail "training over two nodes"; }
    grep -rq "all 2 nodes have joined, 2 ranks" "$base/nodes.log" "$base/log/nodes" || fail "not two nodes"
    "$python" "$here/check.py" provenance results "$(lock)"
    echo "ok: three steps over two nodes, visited by a stranger"
}

for step in $steps; do
    started=$SECONDS
    echo "== $step"
    "step_$step"
    echo "== $step: $((SECONDS - started)) s"
done
echo "passed in $((SECONDS - begin)) s"
