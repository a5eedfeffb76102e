# Requires: the fetched dataset, benchmarks and, for the method `semantic`, the embedding model.
# Makes: results/data (problems, quarantine, funnel, matches, contamination) and verl's files of each run and stage.
# Steps: clean_problems → decontaminate_problems → format_training_data. What is removed is decided in the last step, per run, so
# that contaminated and clean training data come from one search.


rule clean_problems:
    """Check each row of {input.dataset} against the contract and filter (duplicates: {params.duplicates}): nothing is dropped without a count."""
    input:
        code=code("clean_problems.py"),
        dataset=f"resources/datasets/{config['dataset']}.parquet",
    output:
        problems="results/data/problems.parquet",
        quarantine="results/data/quarantine.parquet",
        funnel="results/data/funnel.json",
    params:
        max_quarantine=config["data"]["max_quarantine"],
        verifiable="--verifiable" if config["data"]["filters"]["verifiable"] else "",
        duplicates=config["data"]["filters"]["duplicates"],
        english_only="--english-only" if config["data"]["filters"]["english_only"] else "",
        sources=["--sources", *config["data"]["filters"]["sources"]] if config["data"]["filters"]["sources"] else [],
        bands=config["data"]["difficulty_bands"],
    log:
        "logs/clean_problems.log",
    benchmark:
        "logs/clean_problems.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --dataset {input.dataset:q}"
        " --max-quarantine {params.max_quarantine}"
        " {params.verifiable}"
        " --duplicates {params.duplicates}"
        " {params.english_only}"
        " {params.sources:q}"
        " --difficulty-bands {params.bands}"
        " --workers {threads}"
        " --out {output.problems:q}"
        " --quarantine {output.quarantine:q}"
        " --funnel {output.funnel:q}"
        " > {log:q} 2>&1"


rule decontaminate_problems:
    """Look for items of {config[benchmarks]} among the problems by {params.methods}; nothing is removed here, matches carry their evidence."""
    input:
        code=code("decontaminate.py", "run_job.py"),
        problems="results/data/problems.parquet",
        benchmarks=expand("resources/benchmarks/{benchmark}.jsonl", benchmark=config["benchmarks"]),
        embedding_model=[f"resources/models/{config['embedding_model']}"] if config["embedding_model"] else [],
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
        benchmarks=expand(
            "--benchmark {benchmark}=resources/benchmarks/{benchmark}.jsonl",
            benchmark=config["benchmarks"],
        ),
        methods=",".join(
            method
            for method in config["decontamination"]["methods"]
            if method != "semantic" or config["embedding_model"]
        ),
        remove_by=",".join(config["decontamination"]["remove"]),
        ngram_size=config["decontamination"]["ngram_size"],
        ngram_coverage=config["decontamination"]["ngram_coverage"],
        fuzzy_similarity=config["decontamination"]["fuzzy_similarity"],
        semantic_similarity=config["decontamination"]["semantic_similarity"],
        embedding_model=(
            [f"--embedding-model=resources/models/{config['embedding_model']}"] if config["embedding_model"] else []
        ),
    log:
        "logs/decontaminate_problems.log",
    benchmark:
        "logs/decontaminate_problems.tsv"
    threads: 2
    resources:
        gpu=embedding_gpus(),
        mem_mb=grows(4000),
        runtime=grows(240),
    container:
        gpu_image() if embedding_gpus() else image("cpu")
    shell:
        "python3 scripts/run_job.py --gpus {resources.gpu} --"
        " python {input.code[0]:q}"
        " --problems {input.problems:q}"
        " {params.benchmarks}"
        " --methods {params.methods}"
        " --remove {params.remove_by:q}"
        " --ngram-size {params.ngram_size}"
        " --ngram-coverage {params.ngram_coverage}"
        " --fuzzy-similarity {params.fuzzy_similarity}"
        " --semantic-similarity {params.semantic_similarity}"
        " {params.embedding_model}"
        " --embedding-cache resources/embeddings"
        " --workers {threads}"
        " --matches {output.matches:q}"
        " --summary {output.summary:q}"
        " --csv {output.table:q}"
        " > {log:q} 2>&1"


rule plot_funnel:
    """Draw how many rows each step of cleaning left."""
    input:
        code=code("plot_funnel.py"),
        funnel="results/data/funnel.json",
    output:
        figure=report("results/data/funnel.svg", category="Data", caption="captions/funnel.rst"),
    log:
        "logs/plot_funnel.log",
    benchmark:
        "logs/plot_funnel.tsv"
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
        benchmarks=expand("resources/benchmarks/{benchmark}.jsonl", benchmark=config["benchmarks"]),
    output:
        page=report("results/data/matches.html", category="Data", caption="captions/matches.rst"),
    params:
        benchmarks=expand(
            "--benchmark {benchmark}=resources/benchmarks/{benchmark}.jsonl", benchmark=config["benchmarks"]
        ),
    log:
        "logs/render_matches.log",
    benchmark:
        "logs/render_matches.tsv"
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
        " {params.benchmarks}"
        " --out {output.page:q}"
        " > {log:q} 2>&1"


rule choose_solve_rate_problems:
    """Choose {params.wanted} training problems whose solve rate is measured with the base model, by a hash of their ids."""
    input:
        code=code("choose_solve_rate_problems.py"),
        problems="results/data/problems.parquet",
    output:
        asked="results/data/solve_rate_problems.jsonl",
    params:
        wanted=(
            [f"--count={config['data']['own_solve_rates']['problems']}"]
            if config["data"]["own_solve_rates"]["problems"]
            else []
        ),
    log:
        "logs/choose_solve_rate_problems.log",
    benchmark:
        "logs/choose_solve_rate_problems.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q} --problems {input.problems:q} {params.wanted} --out {output.asked:q} > {log:q} 2>&1"


rule sample_solve_rate_problems:
    """Sample the base model on the chosen training problems: part {wildcards.shard} of {params.shards}; finished responses are kept."""
    input:
        code=code("generate_samples.py", "run_job.py"),
        model=f"resources/models/{config['base_model']}",
        asked="results/data/solve_rate_problems.jsonl",
    output:
        made="results/data/solve_rate_samples/{shard}.json",
    params:
        protocols=json.dumps({"solve_rates": solve_rate_sampling()}, sort_keys=True),
        prompt=json.dumps(config["prompt"], sort_keys=True),
        engine=engine_settings(),
        shards=config["evaluation"]["shards"],
        accelerator=config["accelerator"],
    log:
        "logs/sample_solve_rate_problems/{shard}.log",
    benchmark:
        "logs/sample_solve_rate_problems/{shard}.tsv"
    threads: 2
    resources:
        gpu=gpus(1),
        mem_mb=grows(6000 if config["accelerator"] == "cpu" else 32000),
        runtime=24 * 60,
    container:
        gpu_image()
    shell:
        "python scripts/run_job.py --gpus {resources.gpu} --"
        " python {input.code[0]:q}"
        " --name solve_rates"
        " --model {input.model:q}"
        " --protocols {params.protocols:q}"
        " --prompt {params.prompt:q}"
        " --engine {params.engine:q}"
        " --benchmark solve_rates={input.asked:q}"
        " --shard {wildcards.shard}"
        " --shards {params.shards}"
        " --accelerator {params.accelerator}"
        " --log {log:q}"
        " --out {output.made:q}"


rule measure_solve_rates:
    """Grade the base model's responses to training problems: its own solve rates, for stages that ask for `solve_rates: own`."""
    input:
        code=code("measure_solve_rates.py"),
        made=expand("results/data/solve_rate_samples/{shard}.json", shard=range(config["evaluation"]["shards"])),
        asked="results/data/solve_rate_problems.jsonl",
    output:
        rates="results/data/solve_rates.parquet",
    params:
        settings=json.dumps(solve_rate_sampling(), sort_keys=True),
    log:
        "logs/measure_solve_rates.log",
    benchmark:
        "logs/measure_solve_rates.tsv"
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
        " --workers {threads}"
        " --out {output.rates:q}"
        " > {log:q} 2>&1"


rule format_training_data:
    """Write verl's files of run {wildcards.run}, stage {wildcards.stage}: {params.data} data, {params.dev_size} problems held out."""
    input:
        code=code("format_training_data.py"),
        problems="results/data/problems.parquet",
        matches="results/data/matches.parquet",
        validation=lambda wildcards: f"resources/benchmarks/{stage_config(wildcards.run, wildcards.stage)['validation_benchmark']}.jsonl",
        solve_rates=solve_rates_file,
    output:
        train="results/{run}/{stage}/train.parquet",
        val="results/{run}/{stage}/val.parquet",
        summary="results/{run}/{stage}/data.json",
    params:
        data=lambda wildcards: stage_config(wildcards.run, wildcards.stage)["data"],
        solve_rates=own_solve_rates,
        selection=lambda wildcards: data_selection(stage_config(wildcards.run, wildcards.stage)),
        validation=lambda wildcards: stage_config(wildcards.run, wildcards.stage)["validation_benchmark"],
        remove_by=lambda wildcards: removing_methods(stage_config(wildcards.run, wildcards.stage)),
        dev_size=config["data"]["dev_size"],
        instruction=config["prompt"]["instruction"],
        separator=config["prompt"]["separator"],
    log:
        "logs/format_training_data/{run}/{stage}.log",
    benchmark:
        "logs/format_training_data/{run}/{stage}.tsv"
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
        " --data {params.data}"
        " {params.selection:q}"
        " {params.solve_rates:q}"
        " --remove {params.remove_by:q}"
        " --validation {params.validation}={input.validation:q}"
        " --dev-size {params.dev_size}"
        " --instruction {params.instruction:q}"
        " --separator={params.separator:q}"
        " --train {output.train:q}"
        " --val {output.val:q}"
        " --summary {output.summary:q}"
        " > {log:q} 2>&1"
