# Requires: problems (rules/data.smk), the models that sample and score (rules/fetch.smk, rules/train.smk), samples (rules/evaluate.smk).
# Makes: results/{model}/{protocol}/steps/{verifier}/{benchmark}.jsonl.zst, results/verifiers/ (labels, measurements) and results/steps.html.
# Steps: choose_label_problems → sample_label_solutions → cut_prefixes → sample_label_completions → label_steps, on whose labels a
# supervised run trains that becomes a verifier; score_steps → grade_samples, render_steps; score_step_sets → measure_verifiers.


use rule choose_solve_rate_problems as choose_label_problems with:
    """Choose training problems ({params.number}; none: all) whose solutions are labelled step by step, by a hash of their ids."""
    output:
        asked="results/verifiers/problems.jsonl",
    params:
        number=option("--count", CONFIG.verifiers.labels.problems),
    log:
        "logs/choose_label_problems/all.log",
    benchmark:
        "logs/choose_label_problems/all.tsv"


use rule sample_solve_rate_problems as sample_label_solutions with:
    """Sample {params.model} on the problems whose solutions are labelled: part {wildcards.shard} of {params.shards}."""
    input:
        code=code("generate_samples.py", "run_job.py"),
        model=policy_marker,
        asked="results/verifiers/problems.jsonl",
    output:
        made="results/verifiers/solution_samples/{shard}.json",
    params:
        name="solutions",
        protocols=literal(json.dumps({"solutions": label_sampling("n")}, sort_keys=True)),
        prompt=literal(written(CONFIG.prompt)),
        engine=engine_settings(),
        shards=CONFIG.evaluation.shards,
        model=literal(label_policy()),
        accelerator=CONFIG.accelerator,
    log:
        "logs/sample_label_solutions/{shard}.log",
    benchmark:
        "logs/sample_label_solutions/{shard}.tsv"


rule cut_prefixes:
    """Cut the sampled solutions into steps: the policy goes on from the end of each, and how often it is right then is the step's label."""
    input:
        code=code("cut_prefixes.py"),
        made=expand("results/verifiers/solution_samples/{shard}.json", shard=range(CONFIG.evaluation.shards)),
        asked="results/verifiers/problems.jsonl",
    output:
        prefixes="results/verifiers/prefixes.jsonl",
    params:
        settings=literal(json.dumps(label_sampling("n"), sort_keys=True)),
        planted=CONFIG.verifiers.labels.planted,
    log:
        "logs/cut_prefixes/all.log",
    benchmark:
        "logs/cut_prefixes/all.tsv"
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
        " --planted {params.planted:q}"
        " --workers {threads:q}"
        " --out {output.prefixes:q}"
        " > {log:q} 2>&1"


use rule sample_label_solutions as sample_label_completions with:
    """Complete the solutions of {params.model} from the end of each step: part {wildcards.shard} of {params.shards}."""
    input:
        code=code("generate_samples.py", "run_job.py"),
        model=policy_marker,
        asked="results/verifiers/prefixes.jsonl",
    output:
        made="results/verifiers/completion_samples/{shard}.json",
    params:
        name="completions",
        protocols=literal(json.dumps({"completions": label_sampling("completions")}, sort_keys=True)),
        prompt=literal(written(CONFIG.prompt)),
        engine=engine_settings(),
        shards=CONFIG.evaluation.shards,
        model=literal(label_policy()),
        accelerator=CONFIG.accelerator,
    log:
        "logs/sample_label_completions/{shard}.log",
    benchmark:
        "logs/sample_label_completions/{shard}.tsv"


rule label_steps:
    """
    Label the steps of the sampled solutions by the share of right completions after each, and keep the items whose label is unambiguous,
    because noisy labels make a verifier that is worse than none.
    """
    input:
        code=verifier_code("label_steps.py", *label_verifiers()),
        solutions=expand("results/verifiers/solution_samples/{shard}.json", shard=range(CONFIG.evaluation.shards)),
        completions=expand("results/verifiers/completion_samples/{shard}.json", shard=range(CONFIG.evaluation.shards)),
        problems="results/verifiers/problems.jsonl",
        prefixes="results/verifiers/prefixes.jsonl",
        models=[marker for name in label_verifiers() for marker in verifier_markers(name)],
    output:
        labels=verifier_settings.LABELS,
        accepted=verifier_settings.ACCEPTED,
        rates="results/verifiers/rates.jsonl.zst",
        summary="results/verifiers/labels.json",
    params:
        solutions=literal(json.dumps(label_sampling("n"), sort_keys=True)),
        completions=literal(json.dumps(label_sampling("completions"), sort_keys=True)),
        verifiers=literal(written(CONFIG.verifiers)),
        models=label_models(),
        demo=switch("--demo", CONFIG.demo is not None),
        accelerator=CONFIG.accelerator,
        out=parent,
    log:
        "logs/label_steps/all.log",
    benchmark:
        "logs/label_steps/all.tsv"
    threads: 2
    resources:
        gpu=max([0, *map(verifier_gpus, label_verifiers())]),
        mem_mb=grows(6000),
        runtime=grows(240),
    container:
        gpu_image()
    shell:
        "python3 {input.code[1]:q}"
        " --gpus {resources.gpu:q} --"
        " python {input.code[0]:q}"
        " --solutions {input.solutions:q}"
        " --solution-settings {params.solutions:q}"
        " --problems {input.problems:q}"
        " --completions {input.completions:q}"
        " --completion-settings {params.completions:q}"
        " --prefixes {input.prefixes:q}"
        " --verifiers {params.verifiers:q}"
        " {params.models:q}"
        " {params.demo:q}"
        " --accelerator {params.accelerator:q}"
        " --workers {threads:q}"
        " --log {log:q}"
        " --out {params.out:q}"


rule score_steps:
    """Score every reasoning step of the samples of {wildcards.model} under {wildcards.protocol} with the verifier {wildcards.verifier}."""
    input:
        code=lambda wildcards: verifier_code("score_steps.py", wildcards.verifier),
        samples=expand("results/{{model}}/{{protocol}}/samples/{benchmark}.jsonl.zst", benchmark=CONFIG.benchmarks),
        benchmarks=fetched_benchmarks(),
        model=lambda wildcards: verifier_markers(wildcards.verifier),
    output:
        scores=expand(
            "results/{{model}}/{{protocol}}/steps/{{verifier}}/{benchmark}.jsonl.zst", benchmark=CONFIG.benchmarks
        ),
    params:
        verifiers=verifier_json,
        model=verifier_option,
        samples=named_samples,
        benchmarks=benchmark_options,
        accelerator=CONFIG.accelerator,
        memory=CONFIG.evaluation.gpu_memory_utilization,
        out=parent,
    log:
        "logs/score_steps/{model}/{protocol}/{verifier}.log",
    benchmark:
        "logs/score_steps/{model}/{protocol}/{verifier}.tsv"
    threads: 2
    resources:
        gpu=lambda wildcards: verifier_gpus(wildcards.verifier),
        mem_mb=grows(6000),
        runtime=24 * 60,
    container:
        gpu_image()
    shell:
        "python3 {input.code[1]:q}"
        " --gpus {resources.gpu:q} --"
        " python {input.code[0]:q}"
        " --verifier {wildcards.verifier:q}"
        " --verifiers {params.verifiers:q}"
        " {params.model:q}"
        " --samples {params.samples:q}"
        " {params.benchmarks:q}"
        " --accelerator {params.accelerator:q}"
        " --gpu-memory-utilization {params.memory:q}"
        " --log {log:q}"
        " --out {params.out:q}"


rule score_step_sets:
    """Score the solutions of {params.names}, whose first wrong step is known, with the verifier {wildcards.verifier}."""
    input:
        code=lambda wildcards: verifier_code("score_step_sets.py", wildcards.verifier),
        step_sets=step_set_files(),
        model=lambda wildcards: verifier_markers(wildcards.verifier),
    output:
        scores="results/verifiers/{verifier}/scores.json",
    params:
        names=list(CONFIG.verifiers.step_sets),
        verifiers=verifier_json,
        model=verifier_option,
        step_sets=named_step_sets,
        accelerator=CONFIG.accelerator,
        memory=CONFIG.evaluation.gpu_memory_utilization,
    log:
        "logs/score_step_sets/{verifier}.log",
    benchmark:
        "logs/score_step_sets/{verifier}.tsv"
    threads: 2
    resources:
        gpu=lambda wildcards: verifier_gpus(wildcards.verifier),
        mem_mb=grows(6000),
        runtime=24 * 60,
    container:
        gpu_image()
    shell:
        "python3 {input.code[1]:q}"
        " --gpus {resources.gpu:q} --"
        " python {input.code[0]:q}"
        " --verifier {wildcards.verifier:q}"
        " --verifiers {params.verifiers:q}"
        " {params.model:q}"
        " --step-set {params.step_sets:q}"
        " --accelerator {params.accelerator:q}"
        " --gpu-memory-utilization {params.memory:q}"
        " --log {log:q}"
        " --out {output.scores:q}"


rule measure_verifiers:
    """Measure every verifier and ensemble on solutions whose first wrong step is known: first-error F1, false flags, calibration."""
    input:
        code=code("measure_verifiers.py"),
        scores=measured_scores(),
        step_sets=step_set_files(),
    output:
        json="results/verifiers/measured.json",
        md=report("results/verifiers/measured.md", category="Verifiers", caption="captions/verifiers.rst"),
    params:
        verifiers=literal(written(CONFIG.verifiers)),
        scores=named_scores,
        step_sets=named_step_sets,
    log:
        "logs/measure_verifiers/all.log",
    benchmark:
        "logs/measure_verifiers/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --verifiers {params.verifiers:q}"
        " --scores {params.scores:q}"
        " --step-set {params.step_sets:q}"
        " --out results/verifiers/measured"
        " > {log:q} 2>&1"


rule render_steps:
    """Render solutions of {params.models} step by step with the scores of {params.names}, so that a person can read what verifiers say."""
    input:
        code=code("render_steps.py"),
        evals=evaluations(),
        scores=all_step_scores(),
        samples=all_samples(),
        benchmarks=fetched_benchmarks(),
    output:
        html=report("results/steps.html", category="Verifiers", caption="captions/steps.rst"),
    params:
        models=evaluated_models(),
        protocols=protocols(),
        benchmarks=benchmark_options,
        names=CONFIG.verifiers.use,
        verifiers=literal(written(CONFIG.verifiers)),
    log:
        "logs/render_steps/all.log",
    benchmark:
        "logs/render_steps/all.tsv"
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
        " --protocols {params.protocols:q}"
        " {params.benchmarks:q}"
        " --verifiers {params.verifiers:q}"
        " --out {output.html:q}"
        " > {log:q} 2>&1"
