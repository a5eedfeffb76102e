# Helper functions of all rules: configuration, names, code as input, images, preflight.

import functools
import json
import os
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from mathrl.config import configuration
from mathrl.core import code_files, provenance
from mathrl.core.files import UserError
from mathrl.data import downloads
from mathrl.execution import node_image, preflight, processes, recovery, slurm
from mathrl.training import checkpoints

MAIN = workflow.exec_mode.name == "DEFAULT"
if workflow.exec_mode.name != "SUBPROCESS" or processes.OWNER not in os.environ:
    # Supervised commands end when the process named here is gone; in a SLURM job that is the job's own Snakemake.
    os.environ[processes.OWNER] = processes.owner_token()
slurm.note_deadline()
os.environ.setdefault("MATHRL_GIT_COMMIT", provenance.git_commit())  # there is no git in the images


def from_root(path):
    """A file of the workflow, wherever Snakemake was started."""
    return path if "://" in path or Path(path).is_absolute() else str(ROOT / path)


def validated(config):
    """The configuration with all runs spelled out, after every check that needs no data, and the runs' replicates.

    Notices go to stderr, once.
    """
    with open(ROOT / "rules/schemas/config.schema.yaml") as handle:
        schema = yaml.load(handle, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        targets = [Path(word).parts for word in sys.argv if word.startswith("results/")]
        for notice in configuration.validate(
            config, schema, pins(), asked={parts[1] for parts in targets if len(parts) > 1}
        ):
            if MAIN:
                print(f"notice: {notice}", file=sys.stderr)
    except UserError as error:
        if not MAIN:  # a job's own Snakemake: its caller reports the failure
            raise WorkflowError(str(error)) from None
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)  # nothing is locked yet; Snakemake's own report of an exception is several lines and exit code 1
    return configuration.expanded(config)


@functools.cache
def pins():
    """The table of downloads by name."""
    return downloads.pin_rows(from_root(config.get("pins", "pins.tsv")))


def pin(name):
    """One row of the table of downloads."""
    return pins()[name]


def run_stages(run):
    """Names of the stages of a run, in order."""
    return configuration.stages(config, run)


def stage_config(run, stage):
    """The merged training configuration of a stage."""
    return configuration.stage_config(config, run, stage)


def stage_json(wildcards):
    """The same as JSON, for the command line; checked again for targets that were not asked for by their path."""
    try:
        configuration.check_stage(config, wildcards.run, wildcards.stage)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return json.dumps(stage_config(wildcards.run, wildcards.stage), sort_keys=True)


def stage_names():
    """All names of stages, for the wildcard's constraint."""
    return sorted({stage for run in config["runs"] for stage in run_stages(run)})


def evaluated_models():
    """Rows of the score table."""
    return configuration.evaluated_models(config)


def audited_model():
    """Whose responses all judges grade: the last selected run's, or the base model's where no run is selected."""
    return config["select"][-1] if config["select"] else "base"


def protocols():
    """Named evaluations that are run."""
    return config["evaluation"]["select"]


def sampling(protocol):
    """What of a protocol decides which responses are made; the judge is not part of it."""
    settings = config["evaluation"]["protocols"][protocol]
    return {key: value for key, value in settings.items() if key not in ("grader", "extraction")}


def engine_settings():
    """What of the evaluation an engine is started with."""
    keys = ("batch_size", "dtype", "batch_invariant", "gpu_memory_utilization")
    return json.dumps({key: config["evaluation"][key] for key in keys}, sort_keys=True)


def solve_rate_sampling():
    """How the base model is sampled on training problems: as it will be in training."""
    own = config["data"]["own_solve_rates"]
    drawn = {
        "temperature": config["training"]["temperature"],
        "top_p": 1.0,
        "n": own["n"],
        "max_tokens": own["max_tokens"],
    }
    return {"prompt": "training", "greedy": False, "seed": 0, **drawn}


def data_selection(stage):
    """Arguments for the rows that a stage trains on."""
    options = {key: stage[key] for key in ("difficulty", "sources", "solve_rate") if stage[key]}
    return [word for key, values in options.items() for word in (f"--{key.replace('_', '-')}", *map(str, values))]


def removing_methods(stage):
    """Methods whose matches leave a stage's clean data, separated by commas."""
    return ",".join(config["decontamination"]["remove"] if stage["remove"] is None else stage["remove"])


def solve_rates_file(wildcards):
    """Own solve rates, where a stage asks for them."""
    own = stage_config(wildcards.run, wildcards.stage)["solve_rates"] == "own"
    return ["results/data/solve_rates.parquet"] if own else []


def own_solve_rates(wildcards, input):
    """Arguments for them and for their bands."""
    cuts = config["data"]["difficulty_bands"]
    bands = [cuts] if isinstance(cuts, str) else map(str, cuts)
    return [f"--solve-rates={input.solve_rates[0]}", "--difficulty-bands", *bands] if input.solve_rates else []


def study():
    """Every file of a finished study, in the order of the work.

    A failed job leaves its outputs missing, and Snakemake makes a missing file only where it is asked for or what follows
    from it is out of date. What followed from an earlier configuration is there and looks up to date; so all are asked for.
    """
    files = [f"resources/datasets/{config['dataset']}.parquet", model_directory("base")]
    files += [f"resources/benchmarks/{name}.jsonl" for name in config["benchmarks"]]
    files += [
        f"results/data/{name}"
        for name in ("problems.parquet", "matches.parquet", "contamination.json", "funnel.svg", "matches.html")
    ]
    for run in config["select"]:
        for stage in run_stages(run):
            files += [f"results/{run}/{stage}/{name}" for name in ("train.parquet", "val.parquet", "manifest.json")]
        files += [f"results/{run}/model/{name}" for name in ("export.json", "README.md")]
    for model in evaluated_models():
        files += [f"results/{model}/generation/{shard}.json" for shard in range(config["evaluation"]["shards"])]
        for protocol in protocols():
            for name in config["benchmarks"]:
                files += [
                    f"results/{model}/{protocol}/samples/{name}.jsonl.zst",
                    f"results/{model}/{protocol}/eval/{name}.json",
                ]
    return [*files, "results/figures/curves.json", "results/audit.json", "results/scores.csv", "results/report.html"]


def start_model(wildcards):
    """Where a stage starts from: the stage before it, the base model, or another run's exported model."""
    kind, name = configuration.start_of(config, wildcards.run, wildcards.stage)
    if kind == "base":
        return f"resources/models/{config['base_model']}"
    return (
        f"results/{wildcards.run}/{name}/model/export.json" if kind == "stage" else f"results/{name}/model/export.json"
    )


def sharing_budget(wildcards, file):
    """This file of each stage that may use of the run's budget before this one."""
    stages = configuration.sharing_budget(config, wildcards.run, wildcards.stage)
    return [f"results/{wildcards.run}/{stage}/{file}" for stage in stages]


def run_budget(wildcards, input):
    """Arguments for the run's budget and what earlier stages used of it; none without a budget."""
    whole = configuration.run_budget(config, wildcards.run)
    if all(limit is None for limit in whole.values()):
        return []
    return [f"--run-budget={json.dumps(whole, sort_keys=True)}", *(f"--earlier={path}" for path in input.earlier)]


def solutions(wildcards):
    """The file of solutions of a supervised stage."""
    stage = stage_config(wildcards.run, wildcards.stage)
    return [stage["solutions"]] if stage["algorithm"] == "supervised" else []


def model_source(name):
    """What an entry of `models` is: a pin, verl's checkpoint or a directory, and which."""
    return configuration.model_source(config, name, pins())


def model_directory(model):
    """The Hugging Face directory behind a row of the score table."""
    kind, place = ("pin", config["base_model"]) if model == "base" else ("ours", model)
    if model in config["models"]:
        kind, place = model_source(model)
    if kind == "directory":
        return place
    return f"resources/models/{place}" if kind == "pin" else f"results/{model}/model"


def model_marker(wildcards):
    """The files or the directory that change when a model's weights do."""
    directory = model_directory(wildcards.model)
    if directory.startswith("resources/models/"):
        return directory
    if wildcards.model in config["models"] and model_source(wildcards.model)[0] == "directory":
        return sorted(str(path) for path in Path(directory).iterdir() if path.is_file() and path.suffix != ".md")
    return f"{directory}/export.json"


def checkpoint_files(wildcards):
    """Files of the checkpoint of verl behind an entry of `models`."""
    actor = Path(model_source(wildcards.extra)[1]) / "actor"
    return sorted(str(path) for path in actor.rglob("*") if path.is_file() and not path.name.startswith("optim"))


def same_weights(wildcards):
    """What a checkpoint along training waits for: its run may have sampled the very same weights, and nothing is sampled twice."""
    run, at, _ = wildcards.model.partition("@")
    return [f"results/{run}/generation/{wildcards.shard}.json"] if at else []


def code(script, *modules):
    """A script and every module of ours that it imports, as inputs: content decides what reruns, not a file time.

    `modules` are files below scripts/ that it uses without importing them.
    """
    first = SCRIPTS / script
    try:
        seen = code_files.closure([first, *(SCRIPTS / module for module in modules)], SCRIPTS)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    # Templates and tables that lie in a package count as its code.
    packages = {path.parent for path in seen if path.name == "__init__.py"} - {SCRIPTS / "mathrl"}
    kinds = (".html", ".css", ".js", ".json", ".tsv")
    data = {file for package in packages for file in package.rglob("*") if file.suffix in kinds}
    return [os.path.relpath(first), *sorted(os.path.relpath(path) for path in (seen | data) - {first})]


def term_files():
    """Files below scripts/ of the reward's terms `module:function`: verl imports them by name."""
    modules = [term.partition(":")[0] for term in config["reward"]["terms"] if ":" in term]
    return sorted({file for module in modules for file in code_files.module_files(module, SCRIPTS)})


def image(kind):
    """The container image of a rule."""
    return from_root(config["containers"][kind])


def gpu_image():
    """The image of rules that train or generate."""
    return image(config["accelerator"])


def gpus(wanted):
    """The resource `gpu` of a job that wants so many GPUs; none on a host that trains on its CPU."""
    return wanted if config["accelerator"] == "cuda" else 0


def embedding_gpus():
    """GPUs for semantic decontamination; none without a model for it."""
    return gpus(1 if config["embedding_model"] else 0)


def grows(value):
    """A resource that a job gets more of at each attempt (`retries`): memory in MB, time in minutes."""
    return lambda wildcards, attempt: value * attempt


def uses_containers():
    """Whether rules run in their images; without --sdm apptainer Snakemake ignores them silently."""
    return any(str(method) == "apptainer" for method in workflow.deployment_settings.deployment_method)


if not uses_containers() and (ROOT / ".venv/bin").is_dir():
    shell.prefix(f"export PATH={ROOT / '.venv/bin'}:$PATH; ")


def nodes(wildcards):
    """Hosts that a stage trains on."""
    return stage_config(wildcards.run, wildcards.stage)["nodes"]


def if_nodes(value):
    """A resource of stages that train on several nodes; none for the others."""
    return lambda wildcards: value if nodes(wildcards) > 1 else None


def train_gpus(wildcards):
    """GPUs of a training job on one node; over several, `gres` asks for them node by node."""
    return gpus(stage_config(wildcards.run, wildcards.stage)["gpus"]) if nodes(wildcards) == 1 else 0


def train_memory(wildcards):
    """MB of a training job on each node; on a CPU some 8 GB a rank."""
    return (
        240000
        if config["accelerator"] == "cuda"
        else 6000 + 8000 * stage_config(wildcards.run, wildcards.stage)["gpus"]
    )


def train_gres(wildcards):
    """GPUs of each node where there are several."""
    count = gpus(stage_config(wildcards.run, wildcards.stage)["gpus"])
    return f"gpu:{count}" if nodes(wildcards) > 1 and count else None


def train_image(wildcards):
    """The image of training; over several nodes srun starts it inside of each step, so the rule itself has none."""
    return None if nodes(wildcards) > 1 else gpu_image()


def launch(wildcards):
    """What starts the training command."""
    # SLURM sends SIGTERM to every process of a job: the shell that waits here must live while training saves
    grace = round(60 * stage_config(wildcards.run, wildcards.stage)["end_minutes"])
    return f"trap '' TERM; {supervisor(wildcards, grace)}"


def launch_forecast(wildcards):
    """What starts a few steps of training, which save nothing that is kept."""
    return supervisor(wildcards, 30)


def supervisor(wildcards, grace):
    """A supervisor with GPUs of this host, or of a Ray cluster over the job's nodes; `grace` is in seconds."""
    supervised = f"python3 scripts/run_job.py --grace {grace} --gpus"
    if nodes(wildcards) == 1:
        return f"{supervised} {train_gpus(wildcards)} --"
    # The image goes through the environment: another one is no reason to train again.
    node_image.remember(gpu_image() if uses_containers() else "", workflow.deployment_settings.apptainer_args or "")
    ranks = "" if config["accelerator"] == "cuda" else " --cpus 16"  # logical: most of verl's actors sleep
    gpus = stage_config(wildcards.run, wildcards.stage)["gpus"]
    return f"{supervised} 0 -- python3 scripts/run_on_nodes.py --gpus {gpus}{ranks} --accelerator {config['accelerator']} --"


def checkpoint_space():
    """Bytes that the checkpoints of the selected runs will take at most, retention counted in."""
    saves = 0
    for run in config["select"]:
        for stage in (stage_config(run, name) for name in run_stages(run)):
            saves += checkpoints.most_at_once(
                stage["steps"], stage["save_every"], stage["keep_last"], stage["keep_every"], stage["monitor"]["window"]
            )
    return preflight.checkpoint_bytes(model_directory("base"), saves)


def check_host(dry_run):
    """Preflight: refuse before the first job what cannot work on this host; returns notices."""
    gpu = workflow.resource_settings.resources.get("gpu")
    executor = getattr(workflow.executor_plugin, "name", "local") if workflow.executor_plugin else "local"
    used = {"cpu", config["accelerator"]}
    try:
        return preflight.check(
            accelerator=config["accelerator"],
            root=str(ROOT),
            images={kind: image(kind) for kind in used},
            locks={kind: f"envs/{kind}.txt" for kind in used},
            containers=uses_containers(),
            dry_run=dry_run,
            cluster=executor not in ("local", "dryrun", "touch"),
            requests={
                f"run {run}": gpus(stage_config(run, stage)["gpus"])
                for run in config["select"]
                for stage in run_stages(run)
                if stage_config(run, stage)["nodes"] == 1
            },
            nodes={
                f"run {run}": stage_config(run, stage)["nodes"] for run in config["select"] for stage in run_stages(run)
            },
            given=getattr(gpu, "value", None),
            needs={"checkpoints": checkpoint_space()},
        )
    except UserError as error:
        raise WorkflowError(str(error)) from None


def begin():
    """Before the first job: say whose directory this is, and stop if this host cannot do the work."""
    recovery.claim(".")
    for notice in check_host(dry_run=False):
        print(f"notice: {notice}", file=sys.stderr)


config, REPLICATES = validated(
    configuration.from_command_line(config, workflow.config_settings.config or {}, yaml.safe_load)
)
if MAIN and {"-n", "--dry-run", "--dryrun"} & set(sys.argv):
    for notice in check_host(dry_run=True):
        print(f"notice: {notice}", file=sys.stderr)


wildcard_constraints:
    dataset=config["dataset"],
    benchmark="|".join(config["benchmarks"]),
    model_name="|".join(row["name"] for row in pins().values() if row["kind"] == "model"),
    run="|".join(config["runs"]),
    choice=r"step-\d+|best|last",
    extra="|".join(config["models"]) or "(?!)",
    stage="|".join(stage_names()),
    model="|".join(
        ["base", *config["models"], *config["runs"], *(rf"{run}@(step-\d+|best|last)" for run in config["runs"])]
    ),
    protocol="|".join(config["evaluation"]["protocols"]),
    shard=r"\d+",


onstart:
    begin()
