# Requires eval JSONs (rules/evaluate.smk), training manifests (rules/train.smk) and the data summaries (rules/data.smk).
# Makes    results/scores.{csv,md,html}, results/figures/*.svg, results/report.html.
# Steps    tabulate_scores, plot_training, render_report.

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
    log:
        "logs/tabulate_scores/all.log",
    benchmark:
        "logs/tabulate_scores/all.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    container:
        image("cpu")
    shell:
        "python {input.code[0]}"
        " --results results"
        " --models {params.models:q}"
        " --protocols {params.protocols:q}"
        " --benchmarks {params.benchmarks:q}"
        " --primary {params.primary:q}"
        " --out results/scores"
        " > {log} 2>&1"


rule plot_training:
    """
    Training curves of {params.runs} together: the report's figures 1 to 4, smoothed and raw,
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
        mem_mb=2000,
        runtime=20,
    container:
        image("cpu")
    shell:
        "python {input.code[0]}"
        " --results results"
        " --runs {params.runs:q}"
        " --validation-benchmark {params.benchmark:q}"
        " --out results/figures"
        " > {log} 2>&1"


rule render_report:
    """
    The study report in one HTML file, from the score table to single samples, so that a referee needs nothing else.
    """
    input:
        evals=rules.tabulate_scores.input.evals,
        scores=rules.tabulate_scores.output.csv,
        curves=rules.plot_training.output.curves,
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
        mem_mb=2000,
        runtime=20,
    container:
        image("cpu")
    shell:
        "python {input.code[0]}"
        " --results results"
        " --benchmark-dir resources/benchmarks"
        " --models {params.models:q}"
        " --config {params.config:q}"
        " --out {output.html:q}"
        " > {log} 2>&1"
