# Functions of the rules that train and report: stages, their files and costs, the code and the machine of a training.


def selected_stages():
    """Each stage of the selected runs, as the folder `{run}/{stage}`."""
    return [f"{run}/{stage}" for run in CONFIG.select for stage in run_stages(run)]


def stage_manifests():
    """The manifest of each of them."""
    return [f"results/{stage}/manifest.json" for stage in selected_stages()]


def own_manifests(wildcards):
    """The manifest of each stage of the run that the wildcards name, selected or not."""
    return [f"results/{wildcards.run}/{stage}/manifest.json" for stage in run_stages(wildcards.run)]


def own_stages(wildcards):
    """The names of these stages."""
    return run_stages(wildcards.run)


def last_manifest(wildcards):
    """The manifest of its last stage."""
    return own_manifests(wildcards)[-1]


def named_stages():
    """The selected runs with their stages: RUN=STAGE,STAGE."""
    return [f"{run}={','.join(run_stages(run))}" for run in CONFIG.select]


def evaluations():
    """Every cell of the score table."""
    return [f"{folder}/eval/{name}.json" for folder, name in cells()]


def data_files():
    """Clean problems, what was found among them, and the training data of the selected runs."""
    names = ("problems.parquet", "quarantine.parquet", "funnel.json", "funnel.svg", "matches.parquet", "matches.html")
    made = [f"results/data/{name}" for name in (*names, "contamination.json", "contamination.csv")]
    return made + [
        f"results/{stage}/{name}"
        for stage in selected_stages()
        for name in ("train.parquet", "val.parquet", "data.json")
    ]


def trained_files():
    """Manifests and exported models of the selected runs."""
    return [*stage_manifests(), *(f"results/{run}/model/export.json" for run in CONFIG.select)]


def forecast_files():
    """A forecast of each selected stage that reinforcement learning trains."""
    stages = [(run, stage) for run in CONFIG.select for stage in run_stages(run)]
    trained = [(run, stage) for run, stage in stages if not stage_config(run, stage).supervised]
    return [f"results/{run}/{stage}/forecast.json" for run, stage in trained]


def study():
    """Every file of a finished study, in the order of the work.

    A failed job leaves its outputs missing, and Snakemake makes a missing file only where it is asked for or what follows
    from it is out of date. What followed from an earlier configuration is there and looks up to date; so all are asked for.
    """
    models = [base_model(), *embedding_model()]
    files = [f"resources/datasets/{CONFIG.dataset}.parquet", *models, *(f"{model}.json" for model in models)]
    files += [*fetched_benchmarks(), *(f"results/tensorboard/{name}" for name in ("base", *CONFIG.select))]
    files += [*data_files(), *trained_files(), *(f"results/{run}/model/README.md" for run in CONFIG.select)]
    for model in evaluated_models():
        files += [f"results/{model}/generation/{shard}.json" for shard in range(CONFIG.evaluation.shards)]
        for protocol in protocols():
            files += [f"results/{model}/{protocol}/samples/{name}.jsonl.zst" for name in CONFIG.benchmarks]
    ends = ["results/audit.json", *(f"results/scores.{kind}" for kind in ("csv", "md", "html")), "results/report.html"]
    figures = [*(f"results/figures/{name}.svg" for name in report_settings.FIGURES), *further_figures()]
    figures.append("results/figures/curves.json")
    sent = ["results/trackers.json"] if further_trackers() else []
    steps = ["results/steps.html"] if CONFIG.verifiers.use else []  # the study report links to it
    return [*files, *augmentation_files(), *evaluations(), *figures, *ends, *steps, *sent]


def report_code(script):
    """The code of a script that draws the figures of training, the user's among them."""
    return code(script) + users_files(*CONFIG.report.figures.values())


def calibrated(wildcards):
    """What `make calibrate` found, where it ran: the study report is then made again."""
    found = Path("results/calibration.json")
    return [str(found)] if found.exists() else []


def users_figures():
    """Options for them."""
    return option("--figures", [f"{name}={function}" for name, function in sorted(CONFIG.report.figures.items())])


def further_figures():
    """Files of the user's figures that stand beside ours."""
    return [f"results/figures/{name}.svg" for name in CONFIG.report.figures if name not in report_settings.FIGURES]


def start_model(wildcards):
    """Where a stage starts from: the stage before it, the base model, or another run's exported model."""
    kind, name = configuration.start_of(CONFIG, wildcards.run, wildcards.stage)
    if kind == "base":
        return base_model()
    return (
        f"results/{wildcards.run}/{name}/model/export.json" if kind == "stage" else f"results/{name}/model/export.json"
    )


def trained_model(wildcards):
    """What is trained: that model, or the same with more layers."""
    deeper = stage_config(wildcards.run, wildcards.stage).extra_layers
    return f"results/{wildcards.run}/{wildcards.stage}/deepened" if deeper else start_model(wildcards)


def start_directory(wildcards, input):
    """The Hugging Face directory of the same: an exported model's lies around its export.json."""
    return str(Path(input.model).parent) if input.model.endswith(".json") else input.model


def sharing_budget(file):
    """This file of each stage that may use of the run's budget before this one."""
    return lambda wildcards: [
        f"results/{wildcards.run}/{stage}/{file}"
        for stage in configuration.sharing_budget(CONFIG, wildcards.run, wildcards.stage)
    ]


def run_budget(wildcards, input):
    """Arguments for the run's budget and what earlier stages used of it; none without a budget."""
    whole = configuration.run_budget(CONFIG, wildcards.run)
    if not whole.bounds:
        return []
    return [f"--run-budget={written(whole)}", *(f"--earlier={path}" for path in input.earlier)]


def solutions(wildcards):
    """The file of solutions of a supervised stage."""
    stage = stage_config(wildcards.run, wildcards.stage)
    return [stage.solutions] if stage.supervised else []


def training_code(script):
    """The code of a script that trains: its supervisors come second and third."""
    files = (
        "cpu/platform.py",
        "cpu/worker.py",
        "sft_trainer.py",
        "plugin.py",
        "users_registry.py",
        "reward_failure.py",
    )
    verl = [f"mathrl/verl/{name}" for name in files]
    terms = term_files()
    ours = code(script, "run_job.py", "run_on_nodes.py", "reward.py", "users_reward.py", *verl, *terms)
    data = [users_file(path) for path in sorted(named_files(SCRIPTS / file for file in terms))]
    return ours + data + users_files(*names_of_terms(), *names_of_methods())


def term_files():
    """Files below scripts/ of the terms `module:function` of all rewards: verl imports them by name."""
    modules = {term.partition(":")[0] for term in names_of_terms() if not users_code.is_file(term)}
    return sorted({file for module in modules for file in code_files.module_files(module, SCRIPTS)})


def process_reward(wildcards):
    """The process reward of a stage; null where it has none."""
    stage = stage_config(wildcards.run, wildcards.stage)
    return None if stage.supervised else stage.reward.process


def process_files(wildcards):
    """What its scores depend on: code that other stages do not use, the user's verifiers, prompts of judges."""
    process = process_reward(wildcards)
    if process is None:
        return []
    names = process.verifiers
    served = switch("serve_verifier.py", process_settings.models(process, CONFIG.verifiers))
    own = verifier_code("process_reward.py", *names, beside=("mathrl/verl/process_reward.py", *served))
    return [*own, *(file for name in names for file in verifier_markers(name))]


def process_verifiers(wildcards):
    """Its verifiers as an argument, with the directories of their models."""
    process = process_reward(wildcards)
    if process is None:
        return []
    models = {name: verifier_model(name) for name in process.verifiers}
    return [f"--verifiers={written(process_settings.part(process, CONFIG.verifiers, models))}"]


def names_of_terms():
    """Terms of all rewards that are functions in a module or a file."""
    rewards = [CONFIG.reward, *(stage_config(run, stage).reward for run in CONFIG.runs for stage in run_stages(run))]
    return sorted({term for reward in rewards for term in reward.terms if ":" in term})


def names_of_methods():
    """Policy losses and advantage estimators of all stages."""
    every = [stage_config(run, stage) for run in CONFIG.runs for stage in run_stages(run)]
    return sorted({name for stage in every for name in (stage.policy_loss, stage.advantage)})


def gpu_image():
    """The image of rules that train or generate."""
    return image(CONFIG.accelerator)


def gpus(wanted):
    """The resource `gpu` of a job that wants so many GPUs; none on a host that trains on its CPU."""
    return wanted if CONFIG.accelerator == "cuda" else 0


def export_memory(wildcards, attempt):
    """MB to merge a checkpoint of a run, whose model has the base model's size; looked at again when it is there."""
    return attempt * preflight.merge_megabytes(preflight.parameters(model_directory("base")))


def merge_memory(wildcards, attempt):
    """MB to merge verl's checkpoint that the configuration names: its shards are in float32."""
    shards = (Path(verl_checkpoint(wildcards)) / "actor").glob("model_*.pt")
    return attempt * preflight.merge_megabytes(sum(shard.stat().st_size for shard in shards) // 4)


def nodes(wildcards):
    """Hosts that a stage trains on."""
    return stage_config(wildcards.run, wildcards.stage).nodes


def if_nodes(value):
    """A resource of stages that train on several nodes; none for the others."""
    return lambda wildcards: value if nodes(wildcards) > 1 else None


def train_gpus(wildcards):
    """GPUs of a training job on one node; over several, `gres` asks for them node by node."""
    return gpus(stage_config(wildcards.run, wildcards.stage).job_gpus) if nodes(wildcards) == 1 else 0


def train_memory(wildcards):
    """MB of a training job on each node; on a CPU some 8 GB per rank, and what verifiers that are models take.

    On GPUs: verl's processes that have no GPU take some 40 GB, those of each GPU 16 GB. The model is loaded in float32 before it is divided.
    """
    if CONFIG.accelerator == "cuda":
        return min(240000, 64000 + 32000 * stage_config(wildcards.run, wildcards.stage).job_gpus)
    served = process_settings.models(process_reward(wildcards), CONFIG.verifiers)
    weights = [preflight.serve_megabytes(preflight.parameters(verifier_model(name))) for name in served]
    return 6000 + 8000 * stage_config(wildcards.run, wildcards.stage).gpus + sum(weights)


def train_gres(wildcards):
    """GPUs of each node where there are several."""
    count = gpus(stage_config(wildcards.run, wildcards.stage).job_gpus)
    return f"gpu:{count}" if nodes(wildcards) > 1 and count else None


def train_image(wildcards):
    """The image of training; over several nodes srun starts it inside of each step, so the rule itself has none."""
    return None if nodes(wildcards) > 1 else gpu_image()


def train_threads(wildcards):
    """CPUs of a training job, 8 for each GPU. Over several nodes SLURM gives them twice per node: tasks_per_node."""
    most = 8 * stage_config(wildcards.run, wildcards.stage).job_gpus if CONFIG.accelerator == "cuda" else 32
    return min(32, most) if nodes(wildcards) == 1 else min(16, most // 2)


def train_resources():
    """What a training job needs, but for its time."""
    return {
        "gpu": train_gpus,
        "gres": train_gres,
        "nodes": nodes,
        "mpi": if_nodes("srun"),
        "tasks_per_node": if_nodes(2),  # the plug-in wants more than one for mpi; each of our steps takes one
        "mem_mb": train_memory,
    }


def launch(wildcards, input):
    """What starts the training command."""
    # SLURM sends SIGTERM to every process of a job: the shell that waits here must live while training saves
    grace = round(60 * stage_config(wildcards.run, wildcards.stage).end_minutes)
    return f"trap '' TERM; {supervisor(wildcards, input, grace)}"


def launch_forecast(wildcards, input):
    """What starts a few steps of training, which save nothing that is kept."""
    return supervisor(wildcards, input, 30)


def supervisor(wildcards, input, grace):
    """A supervisor with GPUs of this host, or of a Ray cluster over the job's nodes; `grace` is in seconds."""
    run_job, run_on_nodes = (f"python3 {shlex.quote(path)}" for path in input.code[1:3])
    if nodes(wildcards) == 1:
        return f"{run_job} --grace {grace} --gpus {train_gpus(wildcards)} --"
    # The image goes through the environment: another one is no reason to train again.
    node_image.remember(gpu_image() if uses_containers() else "", workflow.deployment_settings.apptainer_args or "")
    ranks = "" if CONFIG.accelerator == "cuda" else " --cpus 16"  # logical: most of verl's actors sleep
    gpus = stage_config(wildcards.run, wildcards.stage).gpus
    launcher.remember(CONFIG.launcher.plain() if CONFIG.launcher else None)
    hosts = f" --hosts {nodes(wildcards)}" if CONFIG.launcher else ""
    within = f"{run_on_nodes} --gpus {gpus}{ranks}{hosts} --accelerator {CONFIG.accelerator}"
    return f"{run_job} --grace {grace} --gpus 0 -- {within} --"
