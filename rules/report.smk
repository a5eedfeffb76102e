# Requires eval JSONs (rules/evaluate.smk), training manifests (rules/train.smk) and the data summaries (rules/data.smk).
# Makes    results/scores.{csv,md,html}, results/figures/*.svg, results/audit.json, results/tensorboard, results/report.html,
#          results/{run}/model/README.md; from whatever exists: results/report-so-far.html.
# Steps    tabulate_scores, plot_training, audit_grader, log_scores → render_report; write_model_card; render_partial_report.

import json


rule tabulate_scores:
    """
    Score table of {params.models} under {params.protocols}: a row a model, a column a benchmark, with 95 % intervals,
    so that no number stands without its uncertainty.
    """
    input:
        evals=expand(
            "results/{model}/{protocol}/eval/{benchmark}.json",
            model=evaluated_models(),
            protocol=protocols(),
            benchmark=config["benchmarks"],
        ),
        code=code("tabulate_scores.py"),
    output:
        csv="results/scores.csv",
        md="results/scores.md",
        html=report("results/scores.html", caption="captions/scores.rst", category="Scores"),
    params:
        models=evaluated_models(),
        protocols=protocols(),
        benchmarks=config["benchmarks"],
        primary=config["evaluation"]["primary"],
        config=json.dumps(
            {key: config[key] for key in ("benchmarks", "evaluation", "runs", "training")}, sort_keys=True
        ),
    log:
        "logs/tabulate_scores/all.log",
    benchmark:
        "logs/tabulate_scores/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --results results"
        " --models {params.models:q}"
        " --protocols {params.protocols:q}"
        " --benchmarks {params.benchmarks:q}"
        " --primary {params.primary:q}"
        " --config {params.config:q}"
        " --out results/scores"
        " > {log:q} 2>&1"


rule plot_training:
    """
    Training curves of {params.runs} together: the finalist's figures 1 to 4, smoothed and raw,
    so that runs are compared on one axis.
    """
    input:
        manifests=[f"results/{run}/{stage}/manifest.json" for run in config["select"] for stage in run_stages(run)],
        code=code("plot_training.py"),
    output:
        validation=report(
            "results/figures/validation.svg",
            caption="captions/validation.rst",
            category="Training",
        ),
        reward=report(
            "results/figures/reward.svg",
            caption="captions/reward.rst",
            category="Training",
        ),
        entropy=report(
            "results/figures/entropy.svg",
            caption="captions/entropy.rst",
            category="Training",
        ),
        response_length=report(
            "results/figures/response_length.svg",
            caption="captions/response_length.rst",
            category="Training",
        ),
        curves="results/figures/curves.json",
    params:
        runs=[f"{run}={','.join(run_stages(run))}" for run in config["select"]],
        benchmark=config["training"]["validation_benchmark"],
    log:
        "logs/plot_training/all.log",
    benchmark:
        "logs/plot_training/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --results results"
        " --runs {params.runs:q}"
        " --validation-benchmark {params.benchmark:q}"
        " --out results/figures"
        " > {log:q} 2>&1"


rule audit_grader:
    """
    Ours, Math-Verify and the contest's judge on the same responses of {params.model}, at most {params.limit} a benchmark:
    where judges disagree, a person should look.
    """
    input:
        samples=expand(
            "results/{model}/{protocol}/samples/{benchmark}.jsonl.zst",
            model=audited_model(),
            protocol=config["evaluation"]["primary"],
            benchmark=config["benchmarks"],
        ),
        benchmarks=expand("resources/benchmarks/{benchmark}.jsonl", benchmark=config["benchmarks"]),
        code=code("audit_grader.py"),
    output:
        audit="results/audit.json",
    params:
        model=audited_model(),
        limit=300,
        samples=lambda wildcards, input: [f"{name}={path}" for name, path in zip(config["benchmarks"], input.samples)],
        benchmarks=lambda wildcards, input: [
            f"{name}={path}" for name, path in zip(config["benchmarks"], input.benchmarks)
        ],
    log:
        "logs/audit_grader/all.log",
    benchmark:
        "logs/audit_grader/all.tsv"
    threads: 2
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --samples {params.samples:q}"
        " --benchmark {params.benchmarks:q}"
        " --workers {threads}"
        " --limit {params.limit}"
        " --out {output.audit:q}"
        " > {log:q} 2>&1"


rule log_scores:
    """
    Scores and hyper-parameters of {params.runs} as TensorBoard events, so that `make tensorboard` shows them beside training.
    """
    input:
        evals=rules.tabulate_scores.input.evals,
        manifests=rules.plot_training.input.manifests,
        code=code("log_scores.py"),
    output:
        base=directory("results/tensorboard/base"),
        runs=[directory(f"results/tensorboard/{run}") for run in config["select"]],
    params:
        runs=rules.plot_training.params.runs,
        models=evaluated_models(),
        config=json.dumps(config, sort_keys=True),
    log:
        "logs/log_scores/all.log",
    benchmark:
        "logs/log_scores/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --results results"
        " --runs {params.runs:q}"
        " --models {params.models:q}"
        " --config {params.config:q}"
        " --out results/tensorboard"
        " > {log:q} 2>&1"


rule write_model_card:
    """Model card of {wildcards.run}: what it was trained on, how it scores, what it was contaminated with."""
    input:
        evals=rules.tabulate_scores.input.evals,
        manifests=lambda wildcards: [
            f"results/{wildcards.run}/{stage}/manifest.json" for stage in run_stages(wildcards.run)
        ],
        contamination="results/data/contamination.json",
        model="results/{run}/model/export.json",
        code=code("write_model_card.py"),
    output:
        card="results/{run}/model/README.md",
    params:
        stages=lambda wildcards: run_stages(wildcards.run),
        config=json.dumps(config, sort_keys=True),
    log:
        "logs/write_model_card/{run}.log",
    benchmark:
        "logs/write_model_card/{run}.tsv"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --run {wildcards.run:q}"
        " --stages {params.stages:q}"
        " --config {params.config:q}"
        " --results results"
        " --out {output.card:q}"
        " > {log:q} 2>&1"


rule render_report:
    """
    The study report in one HTML file, from the score table to single samples, so that a referee needs nothing else.
    """
    input:
        evals=rules.tabulate_scores.input.evals,
        scores=rules.tabulate_scores.output.csv,
        curves=rules.plot_training.output.curves,
        audit="results/audit.json",
        events="results/tensorboard/base",
        contamination="results/data/contamination.json",
        funnel="results/data/funnel.json",
        code=code("render_report.py"),
    output:
        html=report("results/report.html", caption="captions/report.rst", category="Report"),
    params:
        models=evaluated_models(),
        config=json.dumps(config, sort_keys=True),
    log:
        "logs/render_report/all.log",
    benchmark:
        "logs/render_report/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --results results"
        " --benchmark-dir resources/benchmarks"
        " --models {params.models:q}"
        " --config {params.config:q}"
        " --out {output.html:q}"
        " > {log:q} 2>&1"


rule render_partial_report:
    """The report from whatever results exist now; what is missing stands in it with the command that makes it."""
    input:
        code=code("render_report.py"),
    output:
        html="results/report-so-far.html",
    params:
        models=evaluated_models(),
        config=json.dumps(config, sort_keys=True),
    log:
        "logs/render_partial_report/all.log",
    benchmark:
        "logs/render_partial_report/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --results results"
        " --benchmark-dir resources/benchmarks"
        " --models {params.models:q}"
        " --config {params.config:q}"
        " --out {output.html:q}"
        " > {log:q} 2>&1"
