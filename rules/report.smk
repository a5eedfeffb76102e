# Requires: eval JSONs (rules/evaluate.smk), training manifests (rules/train.smk) and the data summaries (rules/data.smk).
# Makes: results/scores.{csv,md,html}, results/figures/*.svg, results/audit.json, results/tensorboard, results/report.html,
# results/{run}/model/README.md; from whatever exists: results/report-so-far.html; from a finished study: results/atlas, results/crate.zip, results/paper.
# Steps: tabulate_scores, plot_training, audit_grader, log_scores → render_report → send_to_trackers; write_model_card; render_partial_report; render_atlas; write_paper; write_crate.


rule tabulate_scores:
    """
    Tabulate the scores of {params.models} under {params.protocols}: one row per model, one column per benchmark, with 95 % intervals,
    because a number without its uncertainty says little.
    """
    input:
        code=code("tabulate_scores.py"),
        evals=evaluations(),
    output:
        csv="results/scores.csv",
        md="results/scores.md",
        html=report("results/scores.html", category="Scores", caption="captions/scores.rst"),
    params:
        models=evaluated_models(),
        protocols=protocols(),
        benchmarks=CONFIG.benchmarks,
        primary=CONFIG.evaluation.primary,
        config=literal(what_is_compared()),
        dates=literal(published_dates()),
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
        " --dates {params.dates:q}"
        " --out results/scores"
        " > {log:q} 2>&1"


rule plot_training:
    """
    Plot the training curves of {params.runs} together, smoothed and raw (the finalist's figures 1 to 4),
    so that runs are compared on one axis.
    """
    input:
        code=report_code("plot_training.py"),
        manifests=stage_manifests(),
    output:
        validation=report("results/figures/validation.svg", category="Training", caption="captions/validation.rst"),
        reward=report("results/figures/reward.svg", category="Training", caption="captions/reward.rst"),
        entropy=report("results/figures/entropy.svg", category="Training", caption="captions/entropy.rst"),
        response_length=report(
            "results/figures/response_length.svg", category="Training", caption="captions/response_length.rst"
        ),
        curves="results/figures/curves.json",
        users=further_figures(),
    params:
        runs=named_stages(),
        benchmark=CONFIG.training.validation_benchmark,
        users=users_figures(),
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
        " {params.users:q}"
        " --out results/figures"
        " > {log:q} 2>&1"


rule audit_grader:
    """
    Grade the same responses of {params.model}, at most {params.limit} per benchmark, with our grader, Math-Verify and the contest's judge,
    because a person should look where they disagree.
    """
    input:
        code=code("audit_grader.py"),
        samples=expand(
            "results/{model}/{protocol}/samples/{benchmark}.jsonl.zst",
            model=audited_model(),
            protocol=CONFIG.evaluation.primary,
            benchmark=CONFIG.benchmarks,
        ),
        benchmarks=fetched_benchmarks(),
    output:
        audit="results/audit.json",
    params:
        model=audited_model(),
        limit=300,
        samples=named_samples,
        benchmarks=named_benchmarks,
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
        " --workers {threads:q}"
        " --limit {params.limit:q}"
        " --out {output.audit:q}"
        " > {log:q} 2>&1"


rule log_scores:
    """
    Log scores and hyper-parameters of {params.runs} as TensorBoard events, so that `make tensorboard` shows them beside training.
    """
    input:
        code=code("log_scores.py"),
        evals=evaluations(),
        manifests=stage_manifests(),
    output:
        base=directory("results/tensorboard/base"),
        runs=[directory(f"results/tensorboard/{run}") for run in CONFIG.select],
    params:
        runs=named_stages(),
        models=evaluated_models(),
        config=literal(written(CONFIG)),
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


rule send_to_trackers:
    """Send scores, hyper-parameters and the study report to {params.trackers}, so that they stand beside the training curves there."""
    input:
        code=code("send_to_trackers.py"),
        base="results/tensorboard/base",
        runs=[f"results/tensorboard/{run}" for run in CONFIG.select],
        report="results/report.html",
    output:
        sent="results/trackers.json",
    params:
        trackers=further_trackers(),
        runs=CONFIG.select,
        config=literal(written(CONFIG)),
    log:
        "logs/send_to_trackers/all.log",
    benchmark:
        "logs/send_to_trackers/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --trackers {params.trackers:q}"
        " --runs {params.runs:q}"
        " --config {params.config:q}"
        " --report {input.report:q}"
        " --place results/trackers"
        " --out {output.sent:q}"
        " > {log:q} 2>&1"


rule write_model_card:
    """Write the model card of {wildcards.run}: what it was trained on, how it scores, and with what its data was contaminated."""
    input:
        code=code("write_model_card.py"),
        evals=evaluations(),
        manifests=own_manifests,
        contamination="results/data/contamination.json",
        model="results/{run}/model/export.json",
    output:
        card="results/{run}/model/README.md",
    params:
        stages=own_stages,
        config=literal(written(CONFIG)),
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
    Render the study report into one HTML file, from the score table to single samples, so that a reader needs nothing else.
    """
    input:
        code=report_code("render_report.py"),
        evals=evaluations(),
        scores="results/scores.csv",
        curves="results/figures/curves.json",
        audit="results/audit.json",
        events="results/tensorboard/base",
        contamination="results/data/contamination.json",
        funnel="results/data/funnel.json",
        calibration=calibrated,
    output:
        html=report("results/report.html", category="Report", caption="captions/report.rst"),
    params:
        models=evaluated_models(),
        config=literal(written(CONFIG)),
        dates=literal(published_dates()),
        live="",
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
        " --dates {params.dates:q}"
        " --out {output.html:q} {params.live}"
        " > {log:q} 2>&1"


localrules:
    render_partial_report,  # it shows what is there now: not after a wait in a queue


use rule render_report as render_partial_report with:
    """Render the study report from whatever results exist now: it names what is missing with the command that makes it."""
    input:
        code=report_code("render_report.py"),
    output:
        # not removed before the job: an open page loads itself again
        html=update("results/report-so-far.html"),
    params:
        models=evaluated_models(),
        config=literal(written(CONFIG)),
        dates=literal(published_dates()),
        live="--live",
    log:
        "logs/render_partial_report/all.log",
    benchmark:
        "logs/render_partial_report/all.tsv"


rule render_atlas:
    """
    Render the effects of {params.models} against base, against a reference run and net of control, with their costs, into a small page
    with its data, because a method that is switched on is not yet worth anything.
    """
    input:
        code=code("render_atlas.py"),
        evals=evaluations(),
        curves="results/figures/curves.json",
        manifests=stage_manifests(),
    output:
        html="results/atlas/index.html",
        data="results/atlas/atlas.json",
    params:
        models=evaluated_models(),
        config=literal(written(CONFIG)),
        out=parent,
    log:
        "logs/render_atlas/all.log",
    benchmark:
        "logs/render_atlas/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --results results"
        " --models {params.models:q}"
        " --config {params.config:q}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"


rule write_paper:
    """
    Write every figure as SVG and PDF and every table of {params.models} as LaTeX and CSV, each with its caption,
    because a thesis takes figures and tables, not a page.
    """
    input:
        code=report_code("write_paper.py"),
        evals=evaluations(),
        curves="results/figures/curves.json",
        contamination="results/data/contamination.json",
        funnel="results/data/funnel.json",
    output:
        folder=directory("results/paper"),
    params:
        models=evaluated_models(),
        config=literal(written(CONFIG)),
        dates=literal(published_dates()),
    log:
        "logs/write_paper/all.log",
    benchmark:
        "logs/write_paper/all.tsv"
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
        " --dates {params.dates:q}"
        " --out {output.folder:q}"
        " > {log:q} 2>&1"


rule write_crate:
    """
    Pack the finished study of {params.models} into one file to send: a Provenance Run Crate without weights and private paths,
    and without problem texts whose licence in {params.pins} does not let them travel.
    """
    input:
        code=code("write_crate.py"),
        study=study(),
    output:
        crate="results/crate.zip",
    params:
        models=evaluated_models(),
        pins=literal(place(CONFIG.pins)),
        config=literal(written(CONFIG)),
    log:
        "logs/write_crate/all.log",
    benchmark:
        "logs/write_crate/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --models {params.models:q}"
        " --pins {params.pins:q}"
        " --config {params.config:q}"
        " --out {output.crate:q}"
        " > {log:q} 2>&1"
