# Requires: results/{run}/{stage}/train.parquet and val.parquet (rules/data.smk), the base model (rules/fetch.smk).
# Makes: results/{run}/{stage}/manifest.json and the exported models; checkpoints lie in checkpoints/{run}/{stage}/{fingerprint}/
# and are no output of any rule, because Snakemake deletes the outputs of a failed job.
# results/{run}/manifest, a line a stage and figure, is the target that trains a whole run and nothing else.
# Steps: train_policy → export_model (last stage), export_stage (a later stage starts from it), export_checkpoint (one along training);
# merge_checkpoint for checkpoints of verl that the configuration names.


rule train_policy:
    """
    Train run {wildcards.run}, stage {wildcards.stage}, with verl on {params.gpus} GPU(s): {params.batch} prompts × {params.n} responses a step.
    It goes on from the last whole checkpoint of the same configuration, because a long run is killed sooner or later.
    """
    input:
        code=code(
            "train_policy.py",
            "reward.py",
            "run_job.py",
            "run_on_nodes.py",
            "mathrl/verl/cpu/platform.py",
            "mathrl/verl/cpu/worker.py",
            "mathrl/verl/sft_trainer.py",
            "mathrl/verl/grpo_trainer.py",
            *term_files(),
        ),
        model=start_model,
        train="results/{run}/{stage}/train.parquet",
        val="results/{run}/{stage}/val.parquet",
        solutions=solutions,
        earlier=lambda wildcards: sharing_budget(wildcards, "manifest.json"),
    output:
        manifest="results/{run}/{stage}/manifest.json",
    params:
        gpus=lambda wildcards: stage_config(wildcards.run, wildcards.stage)["gpus"],
        batch=lambda wildcards: stage_config(wildcards.run, wildcards.stage)["train_batch_size"],
        n=lambda wildcards: stage_config(wildcards.run, wildcards.stage)["rollout_n"],
        stage=stage_json,
        budget=run_budget,
        reward=json.dumps(config["reward"], sort_keys=True),
        launch=launch,
        accelerator=config["accelerator"],
        model=lambda wildcards, input: str(Path(input.model).parent) if input.model.endswith(".json") else input.model,
    log:
        "logs/train_policy/{run}/{stage}.log",
    benchmark:
        "logs/train_policy/{run}/{stage}.tsv"
    threads: lambda wildcards: 32 if nodes(wildcards) == 1 else 16  # SLURM gives them twice a node: tasks_per_node
    resources:
        gpu=train_gpus,
        gres=train_gres,
        nodes=nodes,
        mpi=if_nodes("srun"),
        tasks_per_node=if_nodes(2),  # the plug-in wants more than one for mpi; each of our steps takes one
        mem_mb=train_memory,
        runtime=7 * 24 * 60,
    container:
        train_image
    shell:
        "{params.launch} python {input.code[0]:q}"
        " --run {wildcards.run:q}"
        " --stage {wildcards.stage:q}"
        " --config {params.stage:q}"
        " {params.budget:q}"
        " --reward {params.reward:q}"
        " --accelerator {params.accelerator}"
        " --model {params.model:q}"
        " --train {input.train:q}"
        " --validation {input.val:q}"
        " --log {log:q}"
        " --manifest {output.manifest:q}"


rule finish_run:
    """Gather of run {wildcards.run} how far each stage came, what ended it and which checkpoint was chosen: one target for a run of any stages."""
    input:
        manifests=lambda wildcards: expand(
            "results/{run}/{stage}/manifest.json", run=wildcards.run, stage=run_stages(wildcards.run)
        ),
    output:
        summary="results/{run}/manifest",
    log:
        "logs/finish_run/{run}.log",
    benchmark:
        "logs/finish_run/{run}.tsv"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(5),
    container:
        image("cpu")
    shell:
        "grep -HE '^  \"(steps|stopped_by|chosen_step|chosen_why)\":' {input.manifests:q} > {output.summary:q} 2> {log:q}"


rule forecast_training:
    """Measure a few steps of run {wildcards.run}, stage {wildcards.stage}, from the base model: nobody should submit weeks unmeasured."""
    input:
        code=code(
            "forecast_training.py",
            "reward.py",
            "run_job.py",
            "run_on_nodes.py",
            "mathrl/verl/cpu/platform.py",
            "mathrl/verl/cpu/worker.py",
            "mathrl/verl/sft_trainer.py",
            "mathrl/verl/grpo_trainer.py",
            *term_files(),
        ),
        model=f"resources/models/{config['base_model']}",
        train="results/{run}/{stage}/train.parquet",
        val="results/{run}/{stage}/val.parquet",
        earlier=lambda wildcards: sharing_budget(wildcards, "forecast.json"),
    output:
        forecast="results/{run}/{stage}/forecast.json",
    params:
        stage=stage_json,
        budget=run_budget,
        launch=launch_forecast,
        reward=json.dumps(config["reward"], sort_keys=True),
        accelerator=config["accelerator"],
    log:
        "logs/forecast_training/{run}/{stage}.log",
    benchmark:
        "logs/forecast_training/{run}/{stage}.tsv"
    threads: lambda wildcards: 32 if nodes(wildcards) == 1 else 16  # as for train_policy
    resources:
        gpu=train_gpus,
        gres=train_gres,
        nodes=nodes,
        mpi=if_nodes("srun"),
        tasks_per_node=if_nodes(2),
        mem_mb=train_memory,
        runtime=240,
    container:
        train_image
    shell:
        "{params.launch} python {input.code[0]:q}"
        " --run {wildcards.run:q}"
        " --stage {wildcards.stage:q}"
        " --config {params.stage:q}"
        " {params.budget:q}"
        " --reward {params.reward:q}"
        " --accelerator {params.accelerator}"
        " --model {input.model:q}"
        " --train {input.train:q}"
        " --validation {input.val:q}"
        " --log {log:q}"
        " --out {output.forecast:q}"


rule export_model:
    """Merge the chosen checkpoint of {wildcards.run} into a Hugging Face directory, because vLLM does not load verl's shards."""
    input:
        code=code("export_model.py", "mathrl/verl/cpu/platform.py"),
        manifest=lambda wildcards: f"results/{wildcards.run}/{run_stages(wildcards.run)[-1]}/manifest.json",
    output:
        export="results/{run}/model/export.json",
    params:
        out=lambda wildcards, output: str(Path(output.export).parent),
        choice=lambda wildcards: wildcards.get("choice", "chosen"),
        accelerator=config["accelerator"],
    log:
        "logs/export_model/{run}.log",
    benchmark:
        "logs/export_model/{run}.tsv"
    threads: 2
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
    container:
        gpu_image()
    shell:
        "python {input.code[0]:q}"
        " --manifest {input.manifest:q}"
        " --choice {params.choice}"
        " --accelerator {params.accelerator}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"


use rule export_model as export_stage with:
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
        out=lambda wildcards, output: str(Path(output.export).parent),
        checkpoint=lambda wildcards: model_source(wildcards.extra)[1],
        accelerator=config["accelerator"],
    log:
        "logs/merge_checkpoint/{extra}.log",
    benchmark:
        "logs/merge_checkpoint/{extra}.tsv"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=60,
    container:
        gpu_image()
    shell:
        "python {input.code[0]:q}"
        " --checkpoint {params.checkpoint:q}"
        " --accelerator {params.accelerator}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"
