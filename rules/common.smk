# Helper functions of all rules: configuration, names, code as input, images, preflight.

import functools
import gc
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
from snakemake.utils import format as filled, min_version

min_version("9.27")
# Snakemake plans with a million small objects that it keeps: every look for garbage among them is in vain, and all took 0.4 s of a start.
gc.set_threshold(100_000)

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
from mathrl.core import code_files, imported_names, named_judges, provenance, users_code
from mathrl.core.files import UserError, sha256_file
from mathrl.core.named_files import named_files
from mathrl.data import dates, downloads
from mathrl.execution import (
    caches,
    command_line,
    damage,
    launcher,
    links,
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
from mathrl.models.checks import check_chat_template, check_heads, check_parallel
from mathrl.statistics import power
from mathrl.training import checkpoints, resharding
from mathrl.verl import precision

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
imported_names.remember(caches.imports())
# A thread that waits does not spin: where other work wants the cores, spinning took 15 to 25 times as long (docs/reference/tests.md).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MATHRL_GIT_COMMIT", provenance.git_commit())  # there is no git in the images


def supervise_rules():
    """Let every rule's command run below a supervisor: scripts/supervise.sh is read before it, after the prefix of an outer workflow.

    It is no part of what Snakemake compares: no job is done again for it.
    """
    path = SCRIPTS / "supervise.sh"
    own = f". {shlex.quote(os.path.relpath(path) if Path.cwd() == ROOT else str(path))}"
    # Snakemake's own prefix, where nobody sets another, is for bash alone; a rule of an outer workflow may name another shell
    given = shell._process_prefix or ""
    strict = "" if given else "set -euo pipefail; "
    own = f'[ -z "${{BASH_VERSION-}}" ] || {{ {strict}{own}; }}; '
    if own not in given:
        shell._process_prefix = given + own


def prefix_of_an_outer_workflow(text):
    """In place of Snakemake's `shell.prefix`, which would drop the supervisor where it is called after the module statement."""
    shell._process_prefix = filled(text, stepout=2)  # with names of whoever calls this
    supervise_rules()


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
        preflight.check_names(ROOT, Path.cwd())
        targets = [Path(target).parts for target in ASKED.targets if target.startswith("results/")]
        found, notices = validation.validate(raw, pin_table, asked={parts[1] for parts in targets if len(parts) > 1})
        if found.select:  # training needs one, and whatever the model is called, it may lie here already
            hub = model_names.on_a_hub(found.base_model, pin_table(found.pins))
            for model in (found.base_model, f"resources/models/{model_names.place(found.base_model)}"):
                check_chat_template(Path(model))
                check_heads(model, found.accelerator)
                evaluated = found.evaluation.dtype
                precision.check_precision(evaluated, found.accelerator, model, hub=hub, key="evaluation.dtype")
                for run, name in [(run, name) for run in found.select for name in configuration.stages(found, run)]:
                    stage = found.stage(run, name)
                    precision.check_precision(stage.dtype, found.accelerator, model, hub=hub)
                    precision.check_head(model, stage.verl)
                    sizes, where = precision.sizes(model, hub), f"run {run}, stage {name}"
                    check_parallel(sizes, stage.tensor_parallel, stage.all_gpus, found.base_model, where)
    except UserError as error:
        if not MAIN:  # a job's own Snakemake: its caller reports the failure
            raise WorkflowError(str(error)) from None
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)  # nothing is locked yet; Snakemake's own report of an exception is several lines and exit code 1
    if MAIN:
        for notice in notices:
            preflight.say(notice)
    return found


def literal(text):
    """A param as it is: in a plain string Snakemake takes `{answer}` for a wildcard."""
    return lambda wildcards: text


def switch(flag, on):
    """The flag where it is on, for a list of arguments."""
    return [flag] if on else []


def option(flag, values):
    """The flag with its value or values where there are any, for a list of arguments."""
    return [flag, *(values if isinstance(values, list | tuple) else [values])] if values else []


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
    return lambda wildcards: (
        [links.without_braces(row(wildcards)["id"])] if row(wildcards)["source"] == "file" else []
    )


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


@functools.cache
def code_file(path):
    """A file of our code as an input of a rule, which Snakemake remembers by its place in the installation and its content.

    So neither a new file time nor another place of the installation reruns anything, and an edit does.
    """
    at = os.path.relpath(path) if Path.cwd() == ROOT else links.without_braces(path)
    return sourcecache_entry(ancient(at), f"{path.relative_to(ROOT).as_posix()} {sha256_file(path)[:16]}")


@functools.cache
def package_data(package):
    """Templates and tables below a package of ours."""
    kinds = (".html", ".css", ".js", ".json", ".tsv", ".txt")
    return [file for file in package.rglob("*") if file.suffix in kinds]


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
    data = {file for package in packages for file in package_data(package)}
    judges = CONFIG.grader_protocols.values() if SCRIPTS / "mathrl/judges/protocols.py" in seen else ()
    return [code_file(path) for path in [*named, *sorted((seen | data) - set(named))]] + users_files(*judges)


def users_files(*names):
    """Files of those names that are FILE.py:function, with what they import and name beside them, as inputs of a rule."""
    try:
        files = {path for name in names if users_code.is_file(name) for path in users_code.files(name)}
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return [users_file(path) for path in sorted(files | named_files(files))]


def users_file(path):
    """A file of the user's as an input of a rule: remembered by name and content, as our own code."""
    return sourcecache_entry(ancient(links.without_braces(path)), f"{path.name} {sha256_file(path)[:16]}")


def image(kind):
    """The container image of a rule. Snakemake refuses a path with a space: there it is a link in the working directory."""
    path = place(getattr(CONFIG.containers, kind))
    if "://" in path or (len(path.split()) == 1 and "{" not in path):
        return path
    return links.made(Path(f".snakemake/images/{kind}.sif"), path)


def embedding_gpus():
    """GPUs for semantic decontamination; none without a model for it."""
    return gpus(1 if CONFIG.embedding_model else 0)


def grows(value):
    """A resource that a job gets more of at each attempt (`retries`): memory in MB, time in minutes."""
    return lambda wildcards, attempt: value * attempt


def uses_containers():
    """Whether rules run in their images; without --sdm apptainer Snakemake ignores them silently."""
    return any(str(method) == "apptainer" for method in workflow.deployment_settings.deployment_method)


def named_output(flag):
    """The flag with the first output."""
    return lambda wildcards, output: f"{flag}={output[0]}"


def benchmark_output(wildcards, input, output):
    """`--out` of a benchmark, with the exports that its seed comes from where it has any."""
    out = f"--out={output[0]}"
    return [out, "--exports", *input.exports] if input.exports else out


include: "common/data.smk"
include: "common/models.smk"
include: "common/training.smk"
include: "common/host.smk"


# Over the installation's config.yaml lies what Snakemake was given: files, --config, or the `config` of an outer workflow.
config = reading.merge(read_yaml("config.yaml"), config)
CONFIG = validated(reading.from_command_line(config, workflow.config_settings.config or {}, yaml.safe_load))
notices.configure(**CONFIG.notices.model_dump())
named_judges.configure(CONFIG.grader_protocols)
supervise_rules()
shell.prefix = prefix_of_an_outer_workflow
if uses_containers():
    preflight.bind(ROOT)
else:
    preflight.use_environment(ROOT, CONFIG.accelerator)
REPORT_ALONE = ASKED.no_lock and ASKED.targets == ("results/report-so-far.html",)  # make report
if MAIN and not ASKED.dry_run and not ASKED.no_lock:
    if dead := recovery.clear_locks_of_the_dead(Path.cwd().resolve()):
        preflight.say(f"removed {dead} lock file(s) of a Snakemake that is gone")
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
