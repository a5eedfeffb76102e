# Helper functions of all rules: configuration, names, code as input, images, preflight.

import functools
import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.io import ancient, sourcecache_entry
from snakemake.utils import min_version

min_version("9.27")

ROOT = Path(
    workflow.current_basedir.get_path_or_uri(secret_free=True)
).parent  # the installation, also as a module of another
SCRIPTS = ROOT / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"{SCRIPTS}: no such folder; use a clone of the whole repository as Snakefile, not a file on a web host"
    )

# Snakemake puts the folders of its Snakefiles on Python's path, and scripts/ is none of them: the library is loaded by its place.
library = importlib.util.spec_from_file_location("mathrl", SCRIPTS / "mathrl/__init__.py")
if sys.modules.setdefault("mathrl", importlib.util.module_from_spec(library)).__file__ != library.origin:
    raise WorkflowError(
        f"{sys.modules['mathrl'].__file__} is loaded already; use one installation in a workflow, not {ROOT} too"
    )
library.loader.exec_module(sys.modules["mathrl"])

from mathrl.config import augmentation, endpoint, model_names, reading, runs as configuration, validation
from mathrl.config import process as process_settings, report as report_settings, verifiers as verifier_settings
from mathrl.core import code_files, provenance, users_code
from mathrl.core.files import UserError, sha256_file
from mathrl.data import dates, downloads
from mathrl.execution import (
    command_line,
    damage,
    launcher,
    node_image,
    notices,
    pauses,
    preflight,
    processes,
    recovery,
    slurm,
    snakemake_log,
    trackers,
)
from mathrl.grading import protocols as protocols_of_golds
from mathrl.models.checks import check_chat_template
from mathrl.statistics import power
from mathrl.training import checkpoints, resharding

MAIN = workflow.exec_mode.name == "DEFAULT"
ASKED = command_line.ours() if MAIN else command_line.Asked()
if workflow.exec_mode.name != "SUBPROCESS" or processes.OWNER not in os.environ:
    # Supervised commands end when the process named here is gone; in a SLURM job that is the job's own Snakemake.
    os.environ[processes.OWNER] = processes.owner_token()
# With it whoever starts next knows this directory's jobs, should they be left behind.
os.environ[processes.WORKDIR] = os.getcwd()
slurm.note_deadline()
if workflow.exec_mode.name == "REMOTE":  # a SLURM job's own Snakemake
    pauses.read_at_exit()
preflight.same_everywhere()
# A thread that waits does not spin: where other work wants the cores, spinning took 15 to 25 times as long (docs/reference/tests.md).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MATHRL_GIT_COMMIT", provenance.git_commit())  # there is no git in the images


def place(path):
    """A file that the configuration names: the user's own in the working directory, else the installation's."""
    return path if "://" in path or Path(path).exists() or Path.cwd() == ROOT else str(ROOT / path)


def read_yaml(path):
    """A YAML file of the installation."""
    with open(ROOT / path, encoding="utf-8") as handle:
        return yaml.load(handle, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def validated(raw):
    """The configuration with all runs spelled out, after every check that needs no data.

    Notices go to stderr, once.
    """
    try:
        targets = [Path(target).parts for target in ASKED.targets if target.startswith("results/")]
        found, notices = validation.validate(raw, pin_table, asked={parts[1] for parts in targets if len(parts) > 1})
        if found.select:  # training needs one, and whatever the model is called, it may lie here already
            for model in (found.base_model, f"resources/models/{model_names.place(found.base_model)}"):
                check_chat_template(Path(model))
    except UserError as error:
        if not MAIN:  # a job's own Snakemake: its caller reports the failure
            raise WorkflowError(str(error)) from None
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)  # nothing is locked yet; Snakemake's own report of an exception is several lines and exit code 1
    if MAIN:
        for notice in notices:
            preflight.say(notice)
    return found


def written(section):
    """A section of the configuration as JSON, for the command line."""
    return json.dumps(section.plain(), sort_keys=True)


def what_is_compared():
    """What of the configuration says which runs are replicates of each other, as JSON."""
    return json.dumps(
        CONFIG.model_dump(include={"benchmarks", "evaluation", "reward", "runs", "training"}, exclude_unset=True),
        sort_keys=True,
    )


@functools.cache
def pin_table(path):
    """The table of downloads at a path that the configuration names, by name."""
    return downloads.pin_rows(place(path))


@functools.cache
def pins():
    """The table of downloads by name, models that the configuration names by hub and commit or directory, and benchmarks by file."""
    own = [CONFIG.base_model, *([CONFIG.embedding_model] if CONFIG.embedding_model else []), *CONFIG.models.values()]
    hubs = [name for name in own if name not in CONFIG.models.values() or model_names.HUB.fullmatch(name)]
    rows = {**pin_table(CONFIG.pins), **downloads.rows_of_models(hubs)}
    return {**rows, **downloads.rows_of_benchmarks(CONFIG.benchmark_files)}


def base_model():
    """Folder of the model that training starts from."""
    return f"resources/models/{model_names.place(CONFIG.base_model)}"


def pins_file(wildcards, output):
    """Where that table lies: with `output` among its arguments a param is none that Snakemake compares."""
    return place(CONFIG.pins)


def pin_of(wildcard):
    """The row of the table that a wildcard names; its date is no part of what is fetched."""
    return lambda wildcards: {key: cell for key, cell in pins()[wildcards[wildcard]].items() if key != "published"}


def published_dates():
    """When benchmarks and models were published, as far as the table says, as JSON."""
    return dates.Dates.of(CONFIG, {name: row["published"] for name, row in pins().items()}).written()


def local_source(wildcard):
    """The file that such a row names as its source, where it is one of this host."""
    row = pin_of(wildcard)
    return lambda wildcards: [row(wildcards)["id"]] if row(wildcards)["source"] == "file" else []


def run_stages(run):
    """Names of the stages of a run, in order."""
    return configuration.stages(CONFIG, run)


def stage_config(run, stage):
    """The merged training configuration of a stage."""
    return CONFIG.stage(run, stage)


def of_stage(key):
    """One value of it, for the stage that the wildcards name."""
    return lambda wildcards: getattr(stage_config(wildcards.run, wildcards.stage), key)


def stage_json(wildcards):
    """All of it as JSON, for the command line; checked again for targets that were not asked for by their path."""
    try:
        validation.check_stage(CONFIG, wildcards.run, wildcards.stage)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return written(stage_config(wildcards.run, wildcards.stage))


def stage_names():
    """All names of stages, for the wildcard's constraint."""
    return sorted({stage for run in CONFIG.runs for stage in run_stages(run)})


def evaluated_models():
    """Rows of the score table."""
    return configuration.evaluated_models(CONFIG)


def audited_model():
    """Whose responses all judges grade: the last selected run's, or the base model's where no run is selected."""
    return CONFIG.select[-1] if CONFIG.select else "base"


def protocols():
    """Named evaluations that are run."""
    return CONFIG.evaluation.select


def of_protocol(key):
    """One value of the protocol that the wildcards name."""
    return lambda wildcards: getattr(CONFIG.evaluation.protocols[wildcards.protocol], key)


def sampling(protocol):
    """What of a protocol decides which responses are made; the judge is not part of it."""
    return CONFIG.evaluation.protocols[protocol].sampling.plain()


def sampling_json(wildcards):
    """The same as JSON, for the command line."""
    return written(CONFIG.evaluation.protocols[wildcards.protocol].sampling)


def engine_settings():
    """What of the evaluation an engine is started with."""
    return written(CONFIG.evaluation.engine)


def solve_rate_sampling():
    """How the base model is sampled on training problems: as it will be in training."""
    own = CONFIG.data.own_solve_rates
    drawn = {
        "temperature": CONFIG.training.temperature,
        "top_p": 1.0,
        "n": own.n,
        "max_tokens": own.max_tokens,
    }
    return {"prompt": "training", "greedy": False, "seed": 0, **drawn}


def label_sampling(count):
    """How solutions (`n`) and their completions (`completions`) are sampled for step labels: as in training."""
    return solve_rate_sampling() | {
        "n": getattr(CONFIG.verifiers.labels, count),
        "max_tokens": CONFIG.verifiers.labels.max_tokens,
    }


def label_policy():
    """The model that is sampled for step labels."""
    return model_directory(CONFIG.verifiers.labels.policy)


def policy_marker(wildcards):
    """What changes when its weights do."""
    return marker_of(CONFIG.verifiers.labels.policy)


def label_verifiers():
    """Verifiers that step labels are checked by."""
    return list(filter(None, (CONFIG.verifiers.labels.agree, CONFIG.verifiers.labels.accept)))


def label_models():
    """Their models as arguments."""
    chosen = {key: getattr(CONFIG.verifiers.labels, key) for key in ("agree", "accept")}
    return [f"--{key}-model={model}" for key, name in chosen.items() if name and (model := verifier_model(name))]


def verifiers():
    """The verifiers of the configuration by name."""
    return verifier_settings.settings(CONFIG.verifiers)


def verifier_model(name):
    """Directory of the model behind a verifier; none for kinds without one."""
    one = verifiers()[name]
    if not one.needs_gpu:
        return None
    model = one.own["model"]
    if model in CONFIG.runs:
        return f"results/{model}/model"
    return f"resources/models/{model}" if pins().get(model, {}).get("kind") == "model" else model


def verifier_markers(name):
    """Inputs that change when a verifier does: its model, its prompt."""
    model, prompt = verifier_model(name), verifiers()[name].own.get("prompt")
    found = [place(prompt)] if prompt else []
    if model is None:
        return found
    if verifiers()[name].own["model"] in CONFIG.runs:
        return [*found, f"{model}/export.json"]
    pinned = model.startswith("resources/models/")
    return [*found, *([model] if pinned else directory_files(model))]


def verifier_code(script, *names, beside=("run_job.py",)):
    """The code of a script that asks these verifiers, with the modules and files of the user's among them."""
    kinds = [verifiers()[name].kind for name in names]
    modules = {kind.partition(":")[0] for kind in kinds if ":" in kind and not users_code.is_file(kind)}
    files = sorted({file for module in modules for file in code_files.module_files(module, SCRIPTS)})
    return code(script, *beside, *files) + users_files(*kinds)


def verifier_json(wildcards):
    """Of the section `verifiers` what concerns the scores of one verifier, as JSON."""
    section = CONFIG.verifiers.plain()
    kept = {key: section[key] for key in ("batch_size", "timeout", "retries")}
    return json.dumps(kept | {"named": {wildcards.verifier: section["named"][wildcards.verifier]}}, sort_keys=True)


def verifier_option(wildcards):
    """Its model as an argument."""
    return option("--model", verifier_model(wildcards.verifier))


def verifier_gpus(name):
    """GPUs for a verifier: one for a model of ours."""
    return gpus(1 if verifiers()[name].needs_gpu else 0)


def step_scores(wildcards):
    """Step scores of the samples that are graded, by each verifier in use."""
    folder = f"results/{wildcards.model}/{wildcards.protocol}/steps"
    return [f"{folder}/{name}/{wildcards.benchmark}.jsonl.zst" for name in verifier_settings.scorers(CONFIG.verifiers)]


def step_score_options(wildcards, input):
    """The same as arguments, with what they mean; none without verifiers in use."""
    section = {key: value for key, value in CONFIG.verifiers.plain().items() if key in ("named", "use")}
    named = [f"--steps={Path(path).parent.name}={path}" for path in input.steps]
    return [f"--verifiers={json.dumps(section, sort_keys=True)}", *named] if named else []


def cells():
    """Folder and benchmark of every cell of the score table."""
    folders = [f"results/{model}/{protocol}" for model in evaluated_models() for protocol in protocols()]
    return [(folder, name) for folder in folders for name in CONFIG.benchmarks]


def all_samples():
    """The samples of each."""
    return [f"{folder}/samples/{name}.jsonl.zst" for folder, name in cells()]


def all_step_scores():
    """Their step scores by each verifier in use."""
    scorers = verifier_settings.scorers(CONFIG.verifiers)
    return [f"{folder}/steps/{scorer}/{name}.jsonl.zst" for folder, name in cells() for scorer in scorers]


def step_set_files():
    """Solutions whose first wrong step is known."""
    return [place(path) for path in CONFIG.verifiers.step_sets.values()]


def named_step_sets(wildcards, input):
    """The same with their names: NAME=FILE."""
    return [f"{name}={path}" for name, path in zip(CONFIG.verifiers.step_sets, input.step_sets, strict=True)]


def measured_scores():
    """The scores that verifiers give them."""
    names = verifier_settings.scorers(CONFIG.verifiers, list(CONFIG.verifiers.named))
    return [f"results/verifiers/{name}/scores.json" for name in names]


def named_scores(wildcards, input):
    """The same with the verifiers' names: NAME=FILE."""
    return [f"{Path(path).parent.name}={path}" for path in input.scores]


def verifier_reports(wildcards):
    """What `snakemake verifiers` makes of the verifiers of the configuration."""
    section = CONFIG.verifiers
    if not section.named:
        raise WorkflowError("config: verifiers.named: is empty; name a verifier (docs/reference/verifiers.md)")
    measured = ["results/verifiers/measured.md"] if section.step_sets else []
    return [*measured, *(["results/steps.html"] if section.use else [])]


def literal(text):
    """A param as it is: in a plain string Snakemake takes `{answer}` for a wildcard."""
    return lambda wildcards: text


def switch(flag, on):
    """The flag where it is on, for a list of arguments."""
    return [flag] if on else []


def option(flag, values):
    """The flag with its value or values where there are any, for a list of arguments."""
    return [flag, *(values if isinstance(values, list | tuple) else [values])] if values else []


def embedding_model():
    """The model of semantic decontamination, where there is one."""
    return [f"resources/models/{model_names.place(CONFIG.embedding_model)}"] if CONFIG.embedding_model else []


def embedding_option(wildcards, input):
    """The same as an argument."""
    return [f"--embedding-model={path}" for path in input.embedding_model]


def data_selection(wildcards):
    """Arguments for the rows that a stage trains on."""
    stage = stage_config(wildcards.run, wildcards.stage)
    options = {key: value for key in ("difficulty", "sources", "solve_rate") if (value := getattr(stage, key))}
    return [word for key, values in options.items() for word in (f"--{key.replace('_', '-')}", *map(str, values))]


def removing_methods(wildcards):
    """Methods whose matches leave a stage's clean data, separated by commas."""
    own = stage_config(wildcards.run, wildcards.stage).remove
    return ",".join(CONFIG.decontamination.remove if own is None else own)


def searching_methods():
    """Methods that look for matches, separated by commas: `semantic` and `reworded` need a model."""
    methods = CONFIG.decontamination.methods
    with_model = ("semantic", "reworded")
    return ",".join(method for method in methods if method not in with_model or CONFIG.embedding_model)


def decontamination_thresholds():
    """The thresholds of the search for contamination as arguments."""
    return [f"--{key.replace('_', '-')}={value}" for key, value in CONFIG.decontamination.thresholds().items()]


def method_files():
    """Files below scripts/ of the user's methods of decontamination, `module:Class`."""
    modules = [method.partition(":")[0] for method in CONFIG.decontamination.methods if ":" in method]
    return sorted({file for module in modules for file in code_files.module_files(module, SCRIPTS)})


def benchmark_files():
    """The benchmarks, in the configuration's order."""
    return [f"resources/benchmarks/{name}.jsonl" for name in CONFIG.benchmarks]


def made_after_training(name):
    """Is this benchmark generated from the hash over all exports? Its seed is not known before training.

    Not looked for as a leak: a generator with few different problems makes the same ones again, so choose one with a large range.
    """
    return "after_training" in pins()[name]


def known_benchmark_files():
    """The benchmarks that are there before training, which leaks are looked for of."""
    return [f"resources/benchmarks/{name}.jsonl" for name in CONFIG.benchmarks if not made_after_training(name)]


def exports_of_study(wildcards):
    """Every export of the study, for a benchmark whose seed they are."""
    exports = [f"results/{run}/model/export.json" for run in CONFIG.select]
    return exports if made_after_training(wildcards.benchmark) else []


def benchmark_options(wildcards, input):
    """Arguments that name each of these inputs: `--benchmark=NAME=FILE`."""
    return [f"--benchmark={Path(path).stem}={path}" for path in input.benchmarks]


def named_benchmarks(wildcards, input):
    """The same without the flag."""
    return [f"{name}={path}" for name, path in zip(CONFIG.benchmarks, input.benchmarks, strict=True)]


def named_samples(wildcards, input):
    """The samples of each benchmark: NAME=FILE."""
    return [f"{name}={path}" for name, path in zip(CONFIG.benchmarks, input.samples, strict=True)]


def validation_file(wildcards):
    """The benchmark that a stage is validated on."""
    return f"resources/benchmarks/{stage_config(wildcards.run, wildcards.stage).validation_benchmark}.jsonl"


def validation_option(wildcards, input):
    """The same as an argument."""
    return f"--validation={stage_config(wildcards.run, wildcards.stage).validation_benchmark}={input.validation}"


def given_file(wildcards):
    """The published training set in verl's columns, where a stage trains on it as it is."""
    as_given = augmentation.data_kind(stage_config(wildcards.run, wildcards.stage)) == "as_given"
    return [f"resources/given/{CONFIG.dataset}.parquet"] if as_given else []


def data_of_stage(wildcards, input):
    """Clean or raw, or the published file with its name."""
    data = augmentation.data_kind(stage_config(wildcards.run, wildcards.stage))
    return [data, f"--given={input.given[0]}"] if input.given else data


def added_files(what):
    """Rows of the entries of `augmentation` that a stage trains on besides (`augmented`), or repeats the sources of (`repeated`)."""
    return lambda wildcards: [
        f"results/augmentation/{name}/rows.parquet"
        for name in augmentation.added(stage_config(wildcards.run, wildcards.stage), what)
    ]


def added_rows(wildcards, input):
    """The same as arguments."""
    return [f"--{what}={path}" for what in ("augmented", "repeated") for path in input[what]]


def entry_of(wildcards):
    """The entry of `augmentation` that a wildcard names."""
    return CONFIG.augmentation[wildcards.entry]


def entry_json(wildcards):
    """The same as JSON, for the command line, its prompt file by its place."""
    entry = entry_of(wildcards)
    return json.dumps(entry.as_dict() | {"prompt": entry.prompt and place(entry.prompt)}, sort_keys=True)


def entry_files(wildcards):
    """Files that an entry names: its prompt and a cache to replay."""
    entry = entry_of(wildcards)
    return [place(path) for path in (entry.prompt, entry.cache) if path]


def entry_model(wildcards):
    """The model of an entry that the workflow's own engine answers: a pin or a directory."""
    entry = entry_of(wildcards)
    if not entry.proposer.is_engine:
        return []
    return [f"resources/models/{entry.model}" if pins().get(entry.model, {}).get("kind") == "model" else entry.model]


def entry_model_option(wildcards, input):
    """The same as an argument."""
    return [f"--model={path}" for path in input.model]


def entries(engine):
    """The names of the entries that the workflow's own engine answers, or that servers and caches do, for a wildcard's constraint."""
    return "|".join(name for name, own in CONFIG.augmentation.items() if own.proposer.is_engine == engine) or "(?!)"


def variant_rates(wildcards):
    """The base model's solve rates of what an entry proposes, where a door asks for them."""
    return [f"results/augmentation/{wildcards.entry}/solve_rates.parquet"] if entry_of(wildcards).samples_base else []


def variant_rates_option(wildcards, input):
    """The same as an argument."""
    return [f"--solve-rates={path}" for path in input.solve_rates]


def strictest_methods():
    """All methods that can search here, `reworded` too where there is a model: a proposal is cheap to lose."""
    methods = searching_methods().split(",")
    return ",".join(dict.fromkeys([*methods, *(["reworded"] if CONFIG.embedding_model else [])]))


def used_entries():
    """Entries of `augmentation` that the selected runs need."""
    return augmentation.used(CONFIG, [stage_config(run, stage) for run in CONFIG.select for stage in run_stages(run)])


def augmentation_files():
    """What these entries leave for a reader: their rows and funnels, and what they cost."""
    names = ("rows.parquet", "funnel.json", "requests.json")
    return [f"results/augmentation/{entry}/{name}" for entry in used_entries() for name in names]


def entry_notices():
    """What the entries will cost, one line each, before any data is there."""
    from mathrl.augmentation import forecast, prompts

    try:
        for name in used_entries():
            entry = CONFIG.augmentation[name]
            prompt = prompts.template(entry.kind, entry.prompt and place(entry.prompt))
            yield forecast.bounds_of_configuration(name, entry, prompt)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def solve_rates_file(wildcards):
    """Own solve rates, where a stage asks for them."""
    own = stage_config(wildcards.run, wildcards.stage).solve_rates == "own"
    return ["results/data/solve_rates.parquet"] if own else []


def own_solve_rates(wildcards, input):
    """Arguments for them and for their bands."""
    cuts = CONFIG.data.difficulty_bands
    bands = [cuts] if isinstance(cuts, str) else map(str, cuts)
    return [f"--solve-rates={input.solve_rates[0]}", "--difficulty-bands", *bands] if input.solve_rates else []


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
    return [
        f"results/{model}/{protocol}/eval/{name}.json"
        for model in evaluated_models()
        for protocol in protocols()
        for name in CONFIG.benchmarks
    ]


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
    files += [*benchmark_files(), *(f"results/tensorboard/{name}" for name in ("base", *CONFIG.select))]
    files += [*data_files(), *trained_files(), *(f"results/{run}/model/README.md" for run in CONFIG.select)]
    for model in evaluated_models():
        files += [f"results/{model}/generation/{shard}.json" for shard in range(CONFIG.evaluation.shards)]
        for protocol in protocols():
            files += [f"results/{model}/{protocol}/samples/{name}.jsonl.zst" for name in CONFIG.benchmarks]
    ends = ["results/audit.json", *(f"results/scores.{kind}" for kind in ("csv", "md", "html")), "results/report.html"]
    figures = [*(f"results/figures/{name}.svg" for name in report_settings.FIGURES), *further_figures()]
    figures.append("results/figures/curves.json")
    sent = ["results/trackers.json"] if further_trackers() else []
    return [*files, *augmentation_files(), *evaluations(), *figures, *ends, *sent]


def report_code(script):
    """The code of a script that draws the figures of training, the user's among them."""
    return code(script) + users_files(*CONFIG.report.figures.values())


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


def model_source(name):
    """What an entry of `models` is: a pin, verl's checkpoint or a directory, and which."""
    return configuration.model_source(CONFIG, name, pins())


def model_place(model):
    """What is behind a row of the score table (a pin, a directory of the user's, or ours) and its Hugging Face directory."""
    kind, name = ("pin", model_names.place(CONFIG.base_model)) if model == "base" else ("ours", model)
    if model in CONFIG.models:
        kind, name = model_source(model)
    if kind == "directory":
        return kind, name
    return ("pin", f"resources/models/{name}") if kind == "pin" else ("ours", f"results/{model}/model")


def model_directory(model):
    """The Hugging Face directory behind a row of the score table."""
    return model_place(model)[1]


def sampled_model(wildcards):
    """The same for the wildcard `model`."""
    return model_directory(wildcards.model)


def directory_files(directory):
    """The files of a model of the user's."""
    return sorted(str(path) for path in Path(directory).iterdir() if path.is_file() and path.suffix != ".md")


def model_marker(wildcards):
    """The files or the directory that change when a model's weights do."""
    return marker_of(wildcards.model)


def marker_of(model):
    """The same of a row of the score table."""
    kind, directory = model_place(model)
    if kind == "directory":
        return directory_files(directory)
    return directory if kind == "pin" else f"{directory}/export.json"


def exported_checkpoint(wildcards):
    """Which checkpoint of its stage is exported."""
    return wildcards.get("choice", "chosen")


def verl_checkpoint(wildcards):
    """The checkpoint of verl behind an entry of `models`."""
    return model_source(wildcards.extra)[1]


def parent(wildcards, output):
    """The folder of the first output."""
    return str(Path(output[0]).parent)


def checkpoint_files(wildcards):
    """The files of its weights."""
    actor = Path(verl_checkpoint(wildcards)) / "actor"
    return sorted(str(path) for path in actor.rglob("*") if path.is_file() and not path.name.startswith("optim"))


def same_weights(wildcards):
    """What a checkpoint along training waits for: its run may have sampled the very same weights, and nothing is sampled twice."""
    run, at, _ = wildcards.model.partition("@")
    return [ancient(f"results/{run}/generation/{wildcards.shard}.json")] if at else []


@functools.cache
def code_file(path):
    """A file of our code as an input of a rule, which Snakemake remembers by its place in the installation and its content.

    So neither a new file time nor another place of the installation reruns anything, and an edit does.
    """
    at = os.path.relpath(path) if Path.cwd() == ROOT else str(path)
    return sourcecache_entry(ancient(at), f"{path.relative_to(ROOT).as_posix()} {sha256_file(path)[:16]}")


def code(script, *modules):
    """A script, `modules` that it uses without importing them (files below scripts/), and every module of ours that they import.

    In this order, as inputs of a rule: its content decides what reruns.
    """
    named = [SCRIPTS / name for name in (script, *modules)]
    try:
        seen = code_files.closure(named, SCRIPTS)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    # Templates and tables that lie in a package count as its code.
    packages = {path.parent for path in seen if path.name == "__init__.py"} - {SCRIPTS / "mathrl"}
    kinds = (".html", ".css", ".js", ".json", ".tsv", ".txt")
    data = {file for package in packages for file in package.rglob("*") if file.suffix in kinds}
    judges = CONFIG.grader_protocols.values() if SCRIPTS / "mathrl/grading/protocols.py" in seen else ()
    return [code_file(path) for path in [*named, *sorted((seen | data) - set(named))]] + users_files(*judges)


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
    ours = code(script, "run_job.py", "run_on_nodes.py", "reward.py", "users_reward.py", *verl, *term_files())
    return ours + users_files(*names_of_terms(), *names_of_methods())


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
    own = verifier_code("process_reward.py", *names, beside=("mathrl/verl/process_reward.py",))
    return [*own, *(file for name in names for file in verifier_markers(name))]


def process_verifiers(wildcards):
    """Its verifiers as an argument."""
    process = process_reward(wildcards)
    return [f"--verifiers={written(process_settings.part(process, CONFIG.verifiers))}"] if process else []


def names_of_terms():
    """Terms of all rewards that are functions in a module or a file."""
    rewards = [CONFIG.reward, *(stage_config(run, stage).reward for run in CONFIG.runs for stage in run_stages(run))]
    return sorted({term for reward in rewards for term in reward.terms if ":" in term})


def names_of_methods():
    """Policy losses and advantage estimators of all stages."""
    every = [stage_config(run, stage) for run in CONFIG.runs for stage in run_stages(run)]
    return sorted({name for stage in every for name in (stage.policy_loss, stage.advantage)})


def users_files(*names):
    """Files of those names that are FILE.py:function, with what they import beside them, as inputs of a rule."""
    try:
        files = {path for name in names if users_code.is_file(name) for path in users_code.files(name)}
    except UserError as error:
        raise WorkflowError(str(error)) from None
    # remembered by name and content, as our own code
    return [sourcecache_entry(ancient(str(path)), f"{path.name} {sha256_file(path)[:16]}") for path in sorted(files)]


def image(kind):
    """The container image of a rule. Snakemake refuses a path with a space: there it is a link in the working directory."""
    path = place(getattr(CONFIG.containers, kind))
    if len(path.split()) == 1 or "://" in path:
        return path
    link = Path(f".snakemake/images/{kind}.sif")
    if not link.is_symlink() or os.readlink(link) != path:
        link.parent.mkdir(parents=True, exist_ok=True)
        new = link.with_name(f"{kind}.{os.getpid()}")
        new.symlink_to(path)
        new.replace(link)
    return str(link)


def gpu_image():
    """The image of rules that train or generate."""
    return image(CONFIG.accelerator)


def gpus(wanted):
    """The resource `gpu` of a job that wants so many GPUs; none on a host that trains on its CPU."""
    return wanted if CONFIG.accelerator == "cuda" else 0


def embedding_gpus():
    """GPUs for semantic decontamination; none without a model for it."""
    return gpus(1 if CONFIG.embedding_model else 0)


def grows(value):
    """A resource that a job gets more of at each attempt (`retries`): memory in MB, time in minutes."""
    return lambda wildcards, attempt: value * attempt


def export_memory(wildcards, attempt):
    """MB to merge a checkpoint of a run, whose model has the base model's size; looked at again when it is there."""
    return attempt * preflight.merge_megabytes(preflight.parameters(model_directory("base")))


def merge_memory(wildcards, attempt):
    """MB to merge verl's checkpoint that the configuration names: its shards are in float32."""
    shards = (Path(verl_checkpoint(wildcards)) / "actor").glob("model_*.pt")
    return attempt * preflight.merge_megabytes(sum(shard.stat().st_size for shard in shards) // 4)


def uses_containers():
    """Whether rules run in their images; without --sdm apptainer Snakemake ignores them silently."""
    return any(str(method) == "apptainer" for method in workflow.deployment_settings.deployment_method)


def nodes(wildcards):
    """Hosts that a stage trains on."""
    return stage_config(wildcards.run, wildcards.stage).nodes


def if_nodes(value):
    """A resource of stages that train on several nodes; none for the others."""
    return lambda wildcards: value if nodes(wildcards) > 1 else None


def train_gpus(wildcards):
    """GPUs of a training job on one node; over several, `gres` asks for them node by node."""
    return gpus(stage_config(wildcards.run, wildcards.stage).gpus) if nodes(wildcards) == 1 else 0


def train_memory(wildcards):
    """MB of a training job on each node; on a CPU some 8 GB per rank."""
    ranks = stage_config(wildcards.run, wildcards.stage).gpus
    return 240000 if CONFIG.accelerator == "cuda" else 6000 + 8000 * ranks


def train_gres(wildcards):
    """GPUs of each node where there are several."""
    count = gpus(stage_config(wildcards.run, wildcards.stage).gpus)
    return f"gpu:{count}" if nodes(wildcards) > 1 and count else None


def train_image(wildcards):
    """The image of training; over several nodes srun starts it inside of each step, so the rule itself has none."""
    return None if nodes(wildcards) > 1 else gpu_image()


def named_output(flag):
    """The flag with the first output."""
    return lambda wildcards, output: f"{flag}={output[0]}"


def benchmark_output(wildcards, input, output):
    """`--out` of a benchmark, with the exports that its seed comes from where it has any."""
    out = f"--out={output[0]}"
    return [out, "--exports", *input.exports] if input.exports else out


def train_threads(wildcards):
    """CPUs of a training job; over several nodes SLURM gives them twice a node: tasks_per_node."""
    return 32 if nodes(wildcards) == 1 else 16


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
                f"run {run}": gpus(stage_config(run, stage).gpus)
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


# Over the installation's config.yaml lies what Snakemake was given: files, --config, or the `config` of an outer workflow.
config = reading.merge(read_yaml("config.yaml"), config)
CONFIG = validated(reading.from_command_line(config, workflow.config_settings.config or {}, yaml.safe_load))
notices.configure(**CONFIG.notices.model_dump())
protocols_of_golds.configure(CONFIG.grader_protocols)
if uses_containers():
    preflight.bind(ROOT)
else:
    preflight.use_environment(ROOT, CONFIG.accelerator)
REPORT_ALONE = ASKED.no_lock and ASKED.targets == ("results/report-so-far.html",)  # make report
if MAIN:
    # A Snakemake that works here puts files in place at this moment; with --nolock (`make report`) it may be on another host.
    for line in damage.clear(
        remove=not ASKED.dry_run and not ASKED.no_lock and recovery.live_snakemake(Path.cwd()) is None
    ):
        preflight.say(line)
if MAIN and ASKED.dry_run:
    for notice in [*check_host(), *planned_power(), *entry_notices()]:
        preflight.say(notice)


wildcard_constraints:
    dataset=CONFIG.dataset,
    benchmark="|".join(CONFIG.benchmarks),
    model_name="|".join(re.escape(name) for name, row in pins().items() if row["kind"] == "model"),
    run="|".join(CONFIG.runs),
    choice=r"step-\d+|best|last",
    extra="|".join(CONFIG.models) or "(?!)",
    stage="|".join(stage_names()),
    entry="|".join(CONFIG.augmentation) or "(?!)",
    model="|".join(["base", *CONFIG.models, *CONFIG.runs, *(rf"{run}@(step-\d+|best|last)" for run in CONFIG.runs)]),
    protocol="|".join(CONFIG.evaluation.protocols),
    shard=r"\d+",
    verifier="|".join(CONFIG.verifiers.named) or "(?!)",


onstart:
    begin()


onsuccess:
    tell_end("end", log)


onerror:
    tell_end("failure", log)
