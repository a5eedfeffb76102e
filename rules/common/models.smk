# Functions of the rules that sample, grade and verify: models, protocols, verifiers, samples.


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
    found = [links.without_braces(place(prompt))] if prompt else []
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
    return [links.without_braces(place(path)) for path in CONFIG.verifiers.step_sets.values()]


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
    files = Path(links.without_braces(directory)).iterdir()
    return sorted(links.without_braces(path) for path in files if path.is_file() and path.suffix != ".md")


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
    actor = Path(links.without_braces(verl_checkpoint(wildcards))) / "actor"
    return sorted(str(path) for path in actor.rglob("*") if path.is_file() and not path.name.startswith("optim"))


def same_weights(wildcards):
    """What a checkpoint along training waits for: its run may have sampled the very same weights, and nothing is sampled twice."""
    run, at, _ = wildcards.model.partition("@")
    return [ancient(f"results/{run}/generation/{wildcards.shard}.json")] if at else []
