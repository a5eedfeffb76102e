# Requires: results/data (problems, matches), benchmarks, the base model, and for `request_variants` a server, an engine or a shipped cache.
# Makes: results/augmentation/{entry} (sources, forecast, answers, proposals, rows, funnel) for entries of `augmentation`.
# Steps: choose_augmentation_sources → forecast_augmentation, request_variants → check_variants → sample_variants, measure_variants,
# decontaminate_variants → admit_variants. `request_variants` alone uses a network; it runs where Snakemake does (localrules), because
# compute nodes often have none; `generate_variants` is the same for entries that an engine answers. The key is in the environment, never in a param: params are logged.


rule choose_augmentation_sources:
    """Choose the problems that {wildcards.entry} asks about: none held out, none that matches a benchmark."""
    input:
        code=code("choose_augmentation_sources.py"),
        problems="results/data/problems.parquet",
        matches="results/data/matches.parquet",
    output:
        sources="results/augmentation/{entry}/sources.jsonl",
    params:
        entry=entry_json,
        remove_by=",".join(CONFIG.decontamination.remove),
        dev_size=CONFIG.data.dev_size,
    log:
        "logs/choose_augmentation_sources/{entry}.log",
    benchmark:
        "logs/choose_augmentation_sources/{entry}.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --problems {input.problems:q}"
        " --matches {input.matches:q}"
        " --remove {params.remove_by:q}"
        " --dev-size {params.dev_size:q}"
        " --entry {params.entry:q}"
        " --out {output.sources:q}"
        " > {log:q} 2>&1"


rule forecast_augmentation:
    """Forecast the requests, tokens and money of {wildcards.entry}, so that nobody is surprised; nothing is sent."""
    input:
        code=code("forecast_augmentation.py"),
        sources="results/augmentation/{entry}/sources.jsonl",
        files=entry_files,
    output:
        forecast="results/augmentation/{entry}/forecast.json",
    params:
        entry=entry_json,
    log:
        "logs/forecast_augmentation/{entry}.log",
    benchmark:
        "logs/forecast_augmentation/{entry}.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --name {wildcards.entry:q}"
        " --entry {params.entry:q}"
        " --sources {input.sources:q}"
        " --out {output.forecast:q}"
        " 2>&1 | tee {log:q} >&2"


rule generate_variants:
    """Let the workflow's own engine answer for {wildcards.entry}, within its budget; answers are kept, because a job can be killed."""
    input:
        code=code("request_variants.py", "run_job.py"),
        sources="results/augmentation/{entry}/sources.jsonl",
        files=entry_files,
        model=entry_model,
    output:
        answers="results/augmentation/{entry}/answers.jsonl.zst",
        summary="results/augmentation/{entry}/requests.json",
    params:
        entry=entry_json,
        model=entry_model_option,
        engine=engine_settings(),
        accelerator=CONFIG.accelerator,
    log:
        "logs/generate_variants/{entry}.log",
    benchmark:
        "logs/generate_variants/{entry}.tsv"
    wildcard_constraints:
        entry=entries(engine=True),
    threads: 2
    resources:
        gpu=gpus(1),
        mem_mb=grows(4000),
        runtime=24 * 60,
    container:
        gpu_image()
    shell:
        "python3 {input.code[1]:q}"
        " --gpus {resources.gpu:q} --"
        " python {input.code[0]:q}"
        " --name {wildcards.entry:q}"
        " --entry {params.entry:q}"
        " --sources {input.sources:q}"
        " {params.model:q}"
        " --engine {params.engine:q}"
        " --accelerator {params.accelerator:q}"
        " --log {log:q}"
        " --answers {output.answers:q}"
        " --summary {output.summary:q}"


use rule generate_variants as request_variants with:
    input:
        code=code("request_variants.py", "run_job.py"),
        sources="results/augmentation/{entry}/sources.jsonl",
        files=entry_files,
        model=[],
    log:
        "logs/request_variants/{entry}.log",
    benchmark:
        "logs/request_variants/{entry}.tsv"
    wildcard_constraints:
        entry=entries(engine=False),
    threads: 1
    resources:
        gpu=0,
        mem_mb=grows(2000),
        runtime=24 * 60,


localrules:
    request_variants,


rule check_variants:
    """Stop proposals of {wildcards.entry} that have no form, whose answer does not hold, or that are not new; no network is needed."""
    input:
        code=code("check_variants.py"),
        sources="results/augmentation/{entry}/sources.jsonl",
        answers="results/augmentation/{entry}/answers.jsonl.zst",
        problems="results/data/problems.parquet",
        files=entry_files,
        model=entry_model,
    output:
        checked="results/augmentation/{entry}/checked.parquet",
        passed="results/augmentation/{entry}/passed.parquet",
        asked="results/augmentation/{entry}/asked.jsonl",
    params:
        entry=entry_json,
        model=entry_model_option,
    log:
        "logs/check_variants/{entry}.log",
    benchmark:
        "logs/check_variants/{entry}.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --name {wildcards.entry:q}"
        " --entry {params.entry:q}"
        " --sources {input.sources:q}"
        " --answers {input.answers:q}"
        " {params.model:q}"
        " --problems {input.problems:q}"
        " --checked {output.checked:q}"
        " --passed {output.passed:q}"
        " --asked {output.asked:q}"
        " > {log:q} 2>&1"


use rule sample_solve_rate_problems as sample_variants with:
    input:
        code=code("generate_samples.py", "run_job.py"),
        model=base_model(),
        asked="results/augmentation/{entry}/asked.jsonl",
    output:
        made="results/augmentation/{entry}/samples/{shard}.json",
    log:
        "logs/sample_variants/{entry}/{shard}.log",
    benchmark:
        "logs/sample_variants/{entry}/{shard}.tsv"


use rule measure_solve_rates as measure_variants with:
    input:
        code=code("measure_solve_rates.py"),
        made=expand(
            "results/augmentation/{{entry}}/samples/{shard}.json",
            shard=range(CONFIG.evaluation.shards),
        ),
        asked="results/augmentation/{entry}/asked.jsonl",
    output:
        rates="results/augmentation/{entry}/solve_rates.parquet",
    log:
        "logs/measure_variants/{entry}.log",
    benchmark:
        "logs/measure_variants/{entry}.tsv"


use rule decontaminate_problems as decontaminate_variants with:
    input:
        code=code("decontaminate.py", "run_job.py", *method_files()),
        problems="results/augmentation/{entry}/passed.parquet",
        benchmarks=benchmarks_before_training(),
        embedding_model=embedding_model(),
    output:
        matches="results/augmentation/{entry}/matches.parquet",
        summary="results/augmentation/{entry}/contamination.json",
        table="results/augmentation/{entry}/contamination.csv",
    params:
        benchmarks=benchmark_options,
        methods=strictest_methods(),
        remove_by=strictest_methods(),
        thresholds=decontamination_thresholds(),
        embedding_model=embedding_option,
    log:
        "logs/decontaminate_variants/{entry}.log",
    benchmark:
        "logs/decontaminate_variants/{entry}.tsv"


rule admit_variants:
    """Admit what of {wildcards.entry} is useful, no benchmark item and no sibling of a held-out problem; each stop is counted and shown."""
    input:
        code=code("admit_variants.py"),
        checked="results/augmentation/{entry}/checked.parquet",
        matches="results/augmentation/{entry}/matches.parquet",
        solve_rates=variant_rates,
        problems="results/data/problems.parquet",
        benchmarks=benchmarks_before_training(),
        embedding_model=embedding_model(),
    output:
        proposals="results/augmentation/{entry}/proposals.parquet",
        rows="results/augmentation/{entry}/rows.parquet",
        funnel="results/augmentation/{entry}/funnel.json",
    params:
        entry=entry_json,
        solve_rates=variant_rates_option,
        benchmarks=benchmark_options,
        dev_size=CONFIG.data.dev_size,
        embedding_model=embedding_option,
    log:
        "logs/admit_variants/{entry}.log",
    benchmark:
        "logs/admit_variants/{entry}.tsv"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --name {wildcards.entry:q}"
        " --entry {params.entry:q}"
        " --checked {input.checked:q}"
        " --matches {input.matches:q}"
        " {params.solve_rates:q}"
        " --problems {input.problems:q}"
        " {params.benchmarks:q}"
        " --dev-size {params.dev_size:q}"
        " {params.embedding_model:q}"
        " --proposals {output.proposals:q}"
        " --rows {output.rows:q}"
        " --funnel {output.funnel:q}"
        " > {log:q} 2>&1"
