# Requires: models (rules/fetch.smk, rules/train.smk), benchmarks (rules/fetch.smk), matches (rules/data.smk).
# Makes: results/{model}/{protocol}/samples/{benchmark}.jsonl.zst and results/{model}/{protocol}/eval/{benchmark}.json.
# Steps: generate_samples (one engine per model and GPU, all benchmarks and protocols) → merge_samples → grade_samples.


rule generate_samples:
    """
    Sample {wildcards.model} on {CONFIG.benchmarks} under {params.names} with one vLLM engine: part {wildcards.shard} of {params.shards}.
    Finished responses are cached in checkpoints/samples: starting an engine is slow, and jobs can be killed.
    """
    input:
        code=code("generate_samples.py", "run_job.py"),
        model=model_marker,
        before=same_weights,
        benchmarks=fetched_benchmarks(),
    output:
        made="results/{model}/generation/{shard}.json",
    params:
        names=protocols(),
        protocols=literal(json.dumps({name: sampling(name) for name in protocols()}, sort_keys=True)),
        prompt=literal(written(CONFIG.prompt)),
        engine=engine_settings(),
        shards=CONFIG.evaluation.shards,
        benchmarks=benchmark_options,
        model=sampled_model,
        accelerator=CONFIG.accelerator,
    log:
        "logs/generate_samples/{model}/{shard}.log",
    benchmark:
        "logs/generate_samples/{model}/{shard}.tsv"
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
        " --name {wildcards.model:q}"
        " --model {params.model:q}"
        " --protocols {params.protocols:q}"
        " --prompt {params.prompt:q}"
        " --engine {params.engine:q}"
        " {params.benchmarks:q}"
        " --shard {wildcards.shard:q}"
        " --shards {params.shards:q}"
        " --accelerator {params.accelerator:q}"
        " --log {log:q}"
        " --out {output.made:q}"


rule merge_samples:
    """Merge the {params.shards} parts of {wildcards.model} under {wildcards.protocol}: one file per benchmark, in its own order."""
    input:
        code=code("merge_samples.py"),
        made=expand("results/{{model}}/generation/{shard}.json", shard=range(CONFIG.evaluation.shards)),
        benchmarks=fetched_benchmarks(),
    output:
        samples=expand("results/{{model}}/{{protocol}}/samples/{benchmark}.jsonl.zst", benchmark=CONFIG.benchmarks),
    params:
        shards=CONFIG.evaluation.shards,
        settings=sampling_json,
        benchmarks=benchmark_options,
        out=parent,
    log:
        "logs/merge_samples/{model}/{protocol}.log",
    benchmark:
        "logs/merge_samples/{model}/{protocol}.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --generation {input.made:q}"
        " --protocol {wildcards.protocol:q}"
        " --settings {params.settings:q}"
        " {params.benchmarks:q}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"


rule grade_samples:
    """Grade {wildcards.model} on {wildcards.benchmark} with the judge {params.grader}, and the items that training rows matched apart."""
    input:
        code=code("grade_samples.py"),
        samples="results/{model}/{protocol}/samples/{benchmark}.jsonl.zst",
        problems="resources/benchmarks/{benchmark}.jsonl",
        matches="results/data/matches.parquet",
        steps=step_scores,
    output:
        evaluation="results/{model}/{protocol}/eval/{benchmark}.json",
    params:
        grader=of_protocol("grader"),
        extraction=of_protocol("extraction"),
        steps=step_score_options,
    log:
        "logs/grade_samples/{model}/{protocol}/{benchmark}.log",
    benchmark:
        "logs/grade_samples/{model}/{protocol}/{benchmark}.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --samples {input.samples:q}"
        " --benchmark {input.problems:q}"
        " --matches {input.matches:q}"
        " --model {wildcards.model:q}"
        " --protocol {wildcards.protocol:q}"
        " --grader {params.grader:q}"
        " --extraction {params.extraction:q}"
        " --workers {threads:q}"
        " {params.steps:q}"
        " --out {output.evaluation:q}"
        " > {log:q} 2>&1"
