# Requires: the table of downloads that the configuration names (`pins`), and a network or files in resources/by_hand/<name>/.
# Makes: resources/datasets, resources/benchmarks, resources/models, shared by all runs, verified by hash and row count.
# Steps: fetch_dataset, fetch_benchmark, fetch_model → prepare_model. Only fetching may use a network; the fetch rules run
# where Snakemake does (localrule), because compute nodes often have none.


rule fetch_dataset:
    """Fetch the training problems {wildcards.dataset} from {params.pin[source]}; hash and row count must be the pin's."""
    input:
        code=code("fetch_dataset.py"),
        local=local_source("dataset"),
    output:
        dataset="resources/datasets/{dataset}.parquet",
    params:
        pins=pins_file,
        pin=pin_of("dataset"),
        out=named_output("--out"),
    log:
        "logs/fetch_dataset/{dataset}.log",
    benchmark:
        "logs/fetch_dataset/{dataset}.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --pins {params.pins:q}"
        " --name {params.pin[name]:q}"
        " {params.out:q}"
        " > {log:q} 2>&1"


use rule fetch_dataset as fetch_given with:
    """Keep the training set {wildcards.dataset} as it was published, in verl's columns, for stages with `data: as_given`."""
    output:
        dataset="resources/given/{dataset}.parquet",
    params:
        out=named_output("--given"),
    log:
        "logs/fetch_given/{dataset}.log",
    benchmark:
        "logs/fetch_given/{dataset}.tsv"


use rule fetch_dataset as fetch_benchmark with:
    """Fetch the benchmark {wildcards.benchmark} from {params.pin[source]} and bring it into one shape with one gold answer each."""
    input:
        code=code("fetch_benchmark.py"),
        local=local_source("benchmark"),
        exports=exports_of_study,
    output:
        benchmark="resources/benchmarks/{benchmark}.jsonl",
    params:
        pin=pin_of("benchmark"),
        out=benchmark_output,
    log:
        "logs/fetch_benchmark/{benchmark}.log",
    benchmark:
        "logs/fetch_benchmark/{benchmark}.tsv"
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),


use rule fetch_dataset as fetch_model with:
    """Fetch the model {wildcards.model_name} from {params.pin[source]}; each file must have the pinned hash."""
    input:
        code=code("fetch_model.py"),
        local=local_source("model_name"),
    output:
        model=directory("resources/published/{model_name}"),
    params:
        pin=pin_of("model_name"),
    log:
        "logs/fetch_model/{model_name}.log",
    benchmark:
        "logs/fetch_model/{model_name}.tsv"
    resources:
        mem_mb=grows(2000),
        runtime=grows(240),


rule prepare_model:
    """Prepare the model {wildcards.model_name} for training and vLLM without running its hub's code; an ordinary model passes through unchanged."""
    input:
        code=code("prepare_model.py"),
        published="resources/published/{model_name}",
    output:
        model=directory("resources/models/{model_name}"),
        changes="resources/models/{model_name}.json",
    params:
        trained=lambda wildcards: (
            "--trained" if CONFIG.select and base_model() == f"resources/models/{wildcards.model_name}" else ""
        ),
    log:
        "logs/prepare_model/{model_name}.log",
    benchmark:
        "logs/prepare_model/{model_name}.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --published {input.published:q}"
        " --out {output.model:q}"
        " --changes {output.changes:q}"
        " {params.trained}"
        " > {log:q} 2>&1"
