# What is looked at before the first job and told after the last: host, keys, trackers, power.


def checkpoint_space():
    """Bytes that the checkpoints of the selected runs will take at most, retention counted in."""
    saves = {False: 0, True: 0}  # by whether the model's own weights are frozen
    for run in CONFIG.select:
        for stage in (stage_config(run, name) for name in run_stages(run)):
            saves[bool(stage.lora)] += checkpoints.most_at_once(
                stage.steps, stage.save_every, stage.keep_last, stage.keep_every, stage.monitor.window
            )
    return sum(preflight.checkpoint_bytes(model_directory("base"), saves[frozen], frozen=frozen) for frozen in saves)


def check_host():
    """Preflight: refuse before the first job what cannot work on this host; returns notices."""
    gpu = workflow.resource_settings.resources.get("gpu")
    used = {"cpu", CONFIG.accelerator}
    try:
        return preflight.check(
            accelerator=CONFIG.accelerator,
            root=str(ROOT),
            images={kind: path if "://" in (path := image(kind)) else os.path.abspath(path) for kind in used},
            locks={kind: f"envs/{kind}.txt" for kind in used},
            containers=uses_containers(),
            dry_run=ASKED.dry_run,
            cluster=ASKED.executor not in ("local", "dryrun", "touch"),
            requests={
                f"run {run}": gpus(stage_config(run, stage).job_gpus)
                for run in CONFIG.select
                for stage in run_stages(run)
                if stage_config(run, stage).nodes == 1
            },
            nodes={f"run {run}": stage_config(run, stage).nodes for run in CONFIG.select for stage in run_stages(run)},
            hosts=len(CONFIG.launcher.hosts) if CONFIG.launcher else None,
            given=getattr(gpu, "value", None),
            needs={"checkpoints": checkpoint_space()},
        )
    except UserError as error:
        raise WorkflowError(str(error)) from None


def check_keys():
    """Stop before the first job where a key for requests that are still to be sent is missing."""
    for name in used_entries():
        told = augmentation.missing_key(CONFIG.augmentation[name], name, os.environ)
        if told and not Path(f"results/augmentation/{name}/requests.json").exists():
            raise WorkflowError(told)


def further_trackers():
    """Trackers beside TensorBoard that selected runs write to; scores and report go there too."""
    named = [
        name for run in CONFIG.select for stage in run_stages(run) for name in stage_config(run, stage).further_trackers
    ]
    return list(dict.fromkeys(named))


def check_trackers():
    """Stop before the first job where a tracker's package is missing."""
    python = None if uses_containers() else shutil.which("python")
    try:
        trackers.check_packages(further_trackers(), python, ROOT / f"envs/{CONFIG.accelerator}.txt")
    except UserError as error:
        raise WorkflowError(str(error)) from None


def check_adopted():
    """Stop before the first job where an adopted directory was saved by another number of GPUs and nobody asked to go on all the same."""
    for run in CONFIG.select:
        for name in run_stages(run):
            stage = stage_config(run, name)
            if stage.adopt and not stage.supervised:
                try:
                    resharding.check(stage, Path(f"checkpoints/{run}/{name}/{stage.adopt}"), f"run {run}, stage {name}")
                except UserError as error:
                    raise WorkflowError(str(error)) from None


def planned_power():
    """What the study can show at most, from the sizes of its benchmarks; no line where a size is not known before the download."""
    judged = endpoint.Endpoint.of(CONFIG)
    made = CONFIG.demo.items if CONFIG.demo else None
    sizes = {
        name: pins()[name].get("rows") or (None if name in CONFIG.benchmark_files else made)
        for name in judged.benchmarks
    }
    if not CONFIG.select or not all(sizes.values()):
        return []
    groups = {}
    for run in CONFIG.select:
        groups.setdefault(re.sub(r"-seed-\d+$", "", run), []).append(run)
    seeds = max(map(len, groups.values()))
    samples = CONFIG.evaluation.protocols[judged.protocol].n
    sizes = {name: int(size) for name, size in sizes.items()}
    return [power.told(power.plan(sizes, samples, seeds), samples, seeds)]


def begin():
    """Before the first job: end what a killed Snakemake left here, say whose directory this is, and stop if this host cannot do the work."""
    if REPORT_ALONE:  # a page of what exists needs no GPU, no key and no room for checkpoints
        return
    check_keys()
    check_trackers()
    check_adopted()
    if not ASKED.no_lock:
        for line in recovery.end_orphans(Path.cwd().resolve()):
            preflight.say(f"ended orphan {line}")
        recovery.claim(".")
        endpoint.register(CONFIG)
    for notice in check_host():
        preflight.say(notice)


def tell_end(event, logs):
    """After the last job: tell the user, where the configuration says how; a call without a job is none."""
    for path in logs:
        called = snakemake_log.read(Path(path))
        if called.planned or called.failures:
            notices.send(event, snakemake_log.told(Path.cwd(), called))
