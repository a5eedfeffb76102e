# Functions of the rules that make and read data: selections, methods, benchmarks, augmentation.


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


def fetched_benchmarks():
    """The benchmarks, in the configuration's order."""
    return [f"resources/benchmarks/{name}.jsonl" for name in CONFIG.benchmarks]


def made_after_training(name):
    """Is this benchmark generated from the hash over all exports? Its seed is not known before training.

    Not looked for as a leak: a generator with few different problems makes the same ones again, so choose one with a large range.
    """
    return "after_training" in pins()[name]


def benchmarks_before_training():
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


def given_benchmarks(wildcards):
    """The benchmarks that are looked for in such a file, in rows that a filter dropped before the search of all problems."""
    return benchmarks_before_training() if given_file(wildcards) else []


def data_of_stage(wildcards, input):
    """Clean or raw, or the published file with its name and what is looked for in it."""
    data = augmentation.data_kind(stage_config(wildcards.run, wildcards.stage))
    return [data, f"--given={input.given[0]}", *benchmark_options(wildcards, input)] if input.given else data


def added_files(what):
    """Rows of the entries of `augmentation` that a stage trains on besides (`augmented`), or repeats the sources of (`repeated`)."""
    return lambda wildcards: [
        f"results/augmentation/{name}/rows.parquet"
        for name in augmentation.added(stage_config(wildcards.run, wildcards.stage), what)
    ]


def added_rows(wildcards, input):
    """The same as arguments."""
    return [f"--{what}={path}" for what in ("augmented", "repeated") for path in input[what]]


def hint_files(wildcards):
    """Solutions whose beginnings stand in the prompts of a stage, where it asks for hints."""
    path = augmentation.hint_solutions(stage_config(wildcards.run, wildcards.stage), CONFIG)
    return [path] if path else []


def hint_options(wildcards, input):
    """The same as arguments, with the share of their steps and which problems get them."""
    hints = augmentation.hints(stage_config(wildcards.run, wildcards.stage))
    if not hints:
        return []
    rates = ["--hint-solve-rate", *map(str, hints.solve_rate)] if hints.solve_rate else []
    return [f"--hints={input.hints[0]}", "--hint-share", *map(str, hints.shares), *rates]


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
    return [links.without_braces(place(path)) for path in (entry.prompt, entry.cache) if path]


def entry_model(wildcards):
    """The model of an entry that the workflow's own engine answers: a pin or a directory."""
    entry = entry_of(wildcards)
    if not entry.proposer.is_engine:
        return []
    pinned = pins().get(entry.model, {}).get("kind") == "model"
    return [f"resources/models/{entry.model}" if pinned else links.without_braces(entry.model)]


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
            if not CONFIG.embedding_model:
                yield (
                    f"augmentation {name}: embedding_model is null, so the method reworded is not searched: a benchmark item in other "
                    "words is found by its numbers and its answer alone"
                )
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
