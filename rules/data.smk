# Requires: the fetched dataset, benchmarks and, for the method `semantic`, the embedding model.
# Makes: results/data (problems, quarantine, funnel, matches, contamination) and verl's files of each run and stage.
# Steps: clean_problems → decontaminate_problems → format_training_data. What is removed is decided in the last step, per run, so
# that contaminated and clean training data come from one search.


rule clean_problems:
    """Check each row of {input.dataset} against the contract and filter (duplicates: {params.duplicates}): nothing is dropped without a count."""
    input:
        code=code("clean_problems.py"),
        dataset=f"resources/datasets/{CONFIG.dataset}.parquet",
    output:
        problems="results/data/problems.parquet",
        quarantine="results/data/quarantine.parquet",
        funnel="results/data/funnel.json",
    params:
        max_quarantine=CONFIG.data.max_quarantine,
        max_dropped=CONFIG.data.max_dropped,
        verifiable=switch("--verifiable", CONFIG.data.filters.verifiable),
        duplicates=CONFIG.data.filters.duplicates,
        near_similarity=CONFIG.data.filters.near_similarity,
        english_only=switch("--english-only", CONFIG.data.filters.english_only),
        sources=option("--sources", CONFIG.data.filters.sources),
        bands=CONFIG.data.difficulty_bands,
    log:
        "logs/clean_problems/all.log",
    benchmark:
        "logs/clean_problems/all.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --dataset {input.dataset:q}"
        " --max-quarantine {params.max_quarantine:q}"
        " --max-dropped {params.max_dropped:q}"
        " {params.verifiable:q}"
        " --duplicates {params.duplicates:q}"
        " --near-similarity {params.near_similarity:q}"
        " {params.english_only:q}"
        " {params.sources:q}"
        " --difficulty-bands {params.bands:q}"
        " --workers {threads:q}"
        " --out {output.problems:q}"
        " --quarantine {output.quarantine:q}"
        " --funnel {output.funnel:q}"
        " > {log:q} 2>&1"


rule decontaminate_problems:
    """Look for items of {CONFIG.benchmarks} among the problems by {params.methods}; nothing is removed here, matches carry their evidence."""
    input:
        code=code("decontaminate.py", "run_job.py", *method_files()),
        problems="results/data/problems.parquet",
        benchmarks=benchmarks_before_training(),
        embedding_model=embedding_model(),
    output:
        matches="results/data/matches.parquet",
        summary=report(
            "results/data/contamination.json",
            category="Data",
            caption="captions/contamination.rst",
        ),
        table=report(
            "results/data/contamination.csv",
            category="Data",
            caption="captions/contamination.rst",
        ),
    params:
        benchmarks=benchmark_options,
        methods=searching_methods(),
        remove_by=",".join(CONFIG.decontamination.remove),
        thresholds=decontamination_thresholds(),
        embedding_model=embedding_option,
    log:
        "logs/decontaminate_problems/all.log",
    benchmark:
        "logs/decontaminate_problems/all.tsv"
    threads: 2
    resources:
        gpu=embedding_gpus(),
        mem_mb=grows(4000),
        runtime=grows(240),
    container:
        gpu_image() if embedding_gpus() else image("cpu")
    shell:
        "python3 {input.code[1]:q}"
        " --gpus {resources.gpu:q} --"
        " python {input.code[0]:q}"
        " --problems {input.problems:q}"
        " {params.benchmarks:q}"
        " --methods {params.methods:q}"
        " --remove {params.remove_by:q}"
        " {params.thresholds:q}"
        " {params.embedding_model:q}"
        " --embedding-cache resources/embeddings"
        " --workers {threads:q}"
        " --matches {output.matches:q}"
        " --summary {output.summary:q}"
        " --csv {output.table:q}"
        " > {log:q} 2>&1"


rule plot_funnel:
    """Draw how many rows each step of cleaning left, so that a reader sees where they went."""
    input:
        code=code("plot_funnel.py"),
        funnel="results/data/funnel.json",
    output:
        figure=report("results/data/funnel.svg", category="Data", caption="captions/funnel.rst"),
    log:
        "logs/plot_funnel/all.log",
    benchmark:
        "logs/plot_funnel/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}" " --funnel {input.funnel:q}" " --out {output.figure:q}" " > {log:q} 2>&1"


rule render_matches:
    """Put each removed problem beside its benchmark item, shared text marked, so that a reader can judge the removal."""
    input:
        code=code("render_matches.py"),
        problems="results/data/problems.parquet",
        matches="results/data/matches.parquet",
        benchmarks=benchmarks_before_training(),
    output:
        page=report("results/data/matches.html", category="Data", caption="captions/matches.rst"),
    params:
        benchmarks=benchmark_options,
    log:
        "logs/render_matches/all.log",
    benchmark:
        "logs/render_matches/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --problems {input.problems:q}"
        " --matches {input.matches:q}"
        " {params.benchmarks:q}"
        " --out {output.page:q}"
        " > {log:q} 2>&1"


rule choose_solve_rate_problems:
    """Choose training problems ({params.number}; none: all) whose solve rate is measured with the base model, by a hash of their ids."""
    input:
        code=code("choose_solve_rate_problems.py"),
        problems="results/data/problems.parquet",
    output:
        asked="results/data/solve_rate_problems.jsonl",
    params:
        number=option("--count", CONFIG.data.own_solve_rates.problems),
    log:
        "logs/choose_solve_rate_problems/all.log",
    benchmark:
        "logs/choose_solve_rate_problems/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --problems {input.problems:q}"
        " {params.number:q}"
        " --out {output.asked:q}"
        " > {log:q} 2>&1"


rule sample_solve_rate_problems:
    """Sample the base model on the chosen training problems: part {wildcards.shard} of {params.shards}; finished responses are cached, because jobs can be killed."""
    input:
        code=code("generate_samples.py", "run_job.py"),
        model=base_model(),
        asked="results/data/solve_rate_problems.jsonl",
    output:
        made="results/data/solve_rate_samples/{shard}.json",
    params:
        name="solve_rates",
        protocols=literal(json.dumps({"solve_rates": solve_rate_sampling()}, sort_keys=True)),
        prompt=literal(written(CONFIG.prompt)),
        engine=engine_settings(),
        shards=CONFIG.evaluation.shards,
        model=literal(model_directory("base")),
        accelerator=CONFIG.accelerator,
    log:
        "logs/sample_solve_rate_problems/{shard}.log",
    benchmark:
        "logs/sample_solve_rate_problems/{shard}.tsv"
    threads: 2
    resources:
        gpu=gpus(1),
        mem_mb=grows(6000 if CONFIG.accelerator == "cpu" else 32000),
        runtime=24 * 60,
    container:
        gpu_image()
    shell:
        "python3 {input.code[1]:q}"
        " --gpus {resources.gpu:q} --"
        " python {input.code[0]:q}"
        " --name {params.name:q}"
        " --model {params.model:q}"
        " --protocols {params.protocols:q}"
        " --prompt {params.prompt:q}"
        " --engine {params.engine:q}"
        " --benchmark {params.name}={input.asked:q}"
        " --shard {wildcards.shard:q}"
        " --shards {params.shards:q}"
        " --accelerator {params.accelerator:q}"
        " --log {log:q}"
        " --out {output.made:q}"


rule measure_solve_rates:
    """Grade the base model's responses to training problems: its own solve rates, for stages that ask for `solve_rates: own`."""
    input:
        code=code("measure_solve_rates.py"),
        made=expand("results/data/solve_rate_samples/{shard}.json", shard=range(CONFIG.evaluation.shards)),
        asked="results/data/solve_rate_problems.jsonl",
    output:
        rates="results/data/solve_rates.parquet",
    params:
        settings=literal(json.dumps(solve_rate_sampling(), sort_keys=True)),
    log:
        "logs/measure_solve_rates/all.log",
    benchmark:
        "logs/measure_solve_rates/all.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --generation {input.made:q}"
        " --problems {input.asked:q}"
        " --settings {params.settings:q}"
        " --workers {threads:q}"
        " --out {output.rates:q}"
        " > {log:q} 2>&1"


rule choose_own_solutions:
    """Choose right responses of the base model to training problems, at most {params.most} each, as solutions for stages that ask for `solutions: own`."""
    input:
        code=code("choose_own_solutions.py"),
        made=expand("results/data/solve_rate_samples/{shard}.json", shard=range(CONFIG.evaluation.shards)),
        asked="results/data/solve_rate_problems.jsonl",
    output:
        solutions="results/data/own_solutions.parquet",
        summary="results/data/own_solutions.json",
    params:
        most=CONFIG.data.own_solutions.per_problem,
        settings=literal(json.dumps(solve_rate_sampling(), sort_keys=True)),
        filters=literal(written(CONFIG.data.own_solutions)),
    log:
        "logs/choose_own_solutions/all.log",
    benchmark:
        "logs/choose_own_solutions/all.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --generation {input.made:q}"
        " --problems {input.asked:q}"
        " --settings {params.settings:q}"
        " --filters {params.filters:q}"
        " --workers {threads:q}"
        " --out {output.solutions:q}"
        " --summary {output.summary:q}"
        " > {log:q} 2>&1"


rule format_training_data:
    """Write verl's files of run {wildcards.run}, stage {wildcards.stage}: {params.data} data, {params.dev_size} problems held out."""
    input:
        code=code("format_training_data.py"),
        problems="results/data/problems.parquet",
        matches="results/data/matches.parquet",
        validation=validation_file,
        solve_rates=solve_rates_file,
        given=given_file,
        benchmarks=given_benchmarks,
        augmented=added_files("augmented"),
        repeated=added_files("repeated"),
        hints=hint_files,
    output:
        train="results/{run}/{stage}/train.parquet",
        val="results/{run}/{stage}/val.parquet",
        summary="results/{run}/{stage}/data.json",
    params:
        data=data_of_stage,
        selection=data_selection,
        solve_rates=own_solve_rates,
        remove_by=removing_methods,
        added=added_rows,
        hints=hint_options,
        validation=validation_option,
        dev_size=CONFIG.data.dev_size,
        instruction=literal(CONFIG.prompt.instruction),
        separator=literal(CONFIG.prompt.separator),
        thresholds=decontamination_thresholds(),
    log:
        "logs/format_training_data/{run}/{stage}.log",
    benchmark:
        "logs/format_training_data/{run}/{stage}.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --problems {input.problems:q}"
        " --matches {input.matches:q}"
        " --data {params.data:q}"
        " {params.selection:q}"
        " {params.solve_rates:q}"
        " --remove {params.remove_by:q}"
        " {params.added:q}"
        " {params.hints:q}"
        " {params.validation:q}"
        " --dev-size {params.dev_size:q}"
        " --instruction {params.instruction:q}"
        " --separator={params.separator:q}"
        " {params.thresholds:q}"
        " --train {output.train:q}"
        " --val {output.val:q}"
        " --summary {output.summary:q}"
        " > {log:q} 2>&1"
