# Requires: results/{run}/{stage}/train.parquet and val.parquet (rules/data.smk), the base model (rules/fetch.smk).
# Makes: results/{run}/{stage}/manifest.json and the exported models; checkpoints lie in checkpoints/{run}/{stage}/{fingerprint}/
# and are no output of any rule, because Snakemake deletes the outputs of a failed job.
# results/{run}/manifest.json is the target that trains a whole run and nothing else.
# Steps: deepen_model (`extra_layers`) → train_policy → summarize_run; export_model (last stage), export_stage (a later stage starts from it), export_checkpoint
# (one along training); merge_checkpoint for checkpoints of verl that the configuration names; forecast_training before all of it.


rule deepen_model:
    """
    Put {params.layers} more layers on the model that run {wildcards.run}, stage {wildcards.stage}, starts from,
    because what its last layer computes no layer of its own can compare.
    """
    input:
        code=code("deepen_model.py"),
        model=start_model,
    output:
        model=directory("results/{run}/{stage}/deepened"),
    params:
        model=start_directory,
        layers=of_stage("extra_layers"),
    log:
        "logs/deepen_model/{run}/{stage}.log",
    benchmark:
        "logs/deepen_model/{run}/{stage}.tsv"
    threads: 1
    resources:
        mem_mb=export_memory,
        runtime=grows(60),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --model {params.model:q}"
        " --layers {params.layers:q}"
        " --out {output.model:q}"
        " > {log:q} 2>&1"


rule train_policy:
    """
    Train run {wildcards.run}, stage {wildcards.stage}, with verl on {params.gpus} GPU(s): {params.batch} prompts × {params.n} responses per step.
    It resumes from the last complete checkpoint of the same configuration, because a long run is killed sooner or later.
    """
    input:
        code=training_code("train_policy.py"),
        model=trained_model,
        train="results/{run}/{stage}/train.parquet",
        val="results/{run}/{stage}/val.parquet",
        solutions=solutions,
        process=process_files,
        earlier=sharing_budget("manifest.json"),
    output:
        manifest="results/{run}/{stage}/manifest.json",
    params:
        gpus=of_stage("gpus"),
        batch=of_stage("train_batch_size"),
        n=of_stage("rollout_n"),
        stage=stage_json,
        verifiers=process_verifiers,
        budget=run_budget,
        launch=launch,
        accelerator=CONFIG.accelerator,
        model=start_directory,
        out=named_output("--manifest"),
    log:
        "logs/train_policy/{run}/{stage}.log",
    benchmark:
        "logs/train_policy/{run}/{stage}.tsv"
    threads: train_threads
    resources:
        **train_resources(),
        runtime=7 * 24 * 60,
    container:
        train_image
    shell:
        "{params.launch}"
        " python {input.code[0]:q}"
        " --run {wildcards.run:q}"
        " --stage {wildcards.stage:q}"
        " --config {params.stage:q}"
        " {params.verifiers:q}"
        " {params.budget:q}"
        " --accelerator {params.accelerator:q}"
        " --model {params.model:q}"
        " --train {input.train:q}"
        " --validation {input.val:q}"
        " --log {log:q}"
        " {params.out:q}"


use rule train_policy as forecast_training with:
    """
    Measure a few steps of run {wildcards.run}, stage {wildcards.stage}, from the base model,
    because nobody should submit weeks unmeasured.
    """
    input:
        code=training_code("forecast_training.py"),
        model=base_model(),
        train="results/{run}/{stage}/train.parquet",
        val="results/{run}/{stage}/val.parquet",
        process=process_files,
        earlier=sharing_budget("forecast.json"),
    output:
        forecast="results/{run}/{stage}/forecast.json",
    params:
        launch=launch_forecast,
        out=named_output("--out"),
    log:
        "logs/forecast_training/{run}/{stage}.log",
    benchmark:
        "logs/forecast_training/{run}/{stage}.tsv"
    resources:
        **train_resources(),
        runtime=240,


rule summarize_run:
    """Gather of run {wildcards.run} how far each stage came, what ended it and which checkpoint was chosen: one target for a run of any stages."""
    input:
        code=code("summarize_run.py"),
        manifests=own_manifests,
    output:
        manifest="results/{run}/manifest.json",
    log:
        "logs/summarize_run/{run}.log",
    benchmark:
        "logs/summarize_run/{run}.tsv"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(5),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --run {wildcards.run:q}"
        " --manifests {input.manifests:q}"
        " --out {output.manifest:q}"
        " > {log:q} 2>&1"


rule export_model:
    """Merge the chosen checkpoint of {wildcards.run} into a Hugging Face directory, because vLLM does not load verl's shards."""
    input:
        code=code("export_model.py", "mathrl/verl/cpu/platform.py"),
        manifest=last_manifest,
    output:
        export="results/{run}/model/export.json",
    params:
        out=parent,
        choice=exported_checkpoint,
        accelerator=CONFIG.accelerator,
    log:
        "logs/export_model/{run}.log",
    benchmark:
        "logs/export_model/{run}.tsv"
    threads: 2
    resources:
        mem_mb=export_memory,
        runtime=grows(60),
    container:
        gpu_image()
    shell:
        "python {input.code[0]:q}"
        " --manifest {input.manifest:q}"
        " --choice {params.choice:q}"
        " --accelerator {params.accelerator:q}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"


use rule export_model as export_stage with:
    """Merge the chosen checkpoint of {wildcards.run}, stage {wildcards.stage}, because a later stage starts from it."""
    input:
        code=code("export_model.py", "mathrl/verl/cpu/platform.py"),
        manifest="results/{run}/{stage}/manifest.json",
    output:
        export="results/{run}/{stage}/model/export.json",
    log:
        "logs/export_stage/{run}/{stage}.log",
    benchmark:
        "logs/export_stage/{run}/{stage}.tsv"


use rule export_model as export_checkpoint with:
    """Merge the checkpoint {wildcards.choice} of {wildcards.run}, because it is evaluated beside the chosen one."""
    output:
        export="results/{run}@{choice}/model/export.json",
    log:
        "logs/export_checkpoint/{run}@{choice}.log",
    benchmark:
        "logs/export_checkpoint/{run}@{choice}.tsv"


rule merge_checkpoint:
    """Merge verl's checkpoint {params.checkpoint}, the model {wildcards.extra} of the configuration, into a Hugging Face directory."""
    input:
        code=code("export_model.py", "mathrl/verl/cpu/platform.py"),
        checkpoint=checkpoint_files,
    output:
        export="results/{extra}/model/export.json",
    params:
        out=parent,
        checkpoint=verl_checkpoint,
        accelerator=CONFIG.accelerator,
    log:
        "logs/merge_checkpoint/{extra}.log",
    benchmark:
        "logs/merge_checkpoint/{extra}.tsv"
    threads: 2
    resources:
        mem_mb=merge_memory,
        runtime=grows(60),
    container:
        gpu_image()
    shell:
        "python {input.code[0]:q}"
        " --checkpoint {params.checkpoint:q}"
        " --accelerator {params.accelerator:q}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"
