# Maths reasoning by reinforcement learning: pinned data → clean problems → GRPO with verl → samples with vLLM → score table.
# Every rule lives in rules/, every setting in config.yaml, every function in rules/common.smk and rules/common/.

# The user's own, where there is one; rules/common.smk lays it over the installation's.
if exists("config.yaml"):

    configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/data.smk"
include: "rules/augment.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/verify.smk"
include: "rules/report.smk"


if "demo" in config:

    include: "rules/demo.smk"


rule all:
    """Score table and study report of the selected runs."""
    default_target: True
    input:
        study(),


rule data:
    """Clean problems, matches with the benchmarks, and the training data of the selected runs."""
    input:
        data_files(),


rule train:
    """Checkpoints, manifests and exported models of the selected runs."""
    input:
        trained_files(),


rule augmentation:
    """What the entries of `augmentation` that the selected runs use brought, without training."""
    input:
        augmentation_files(),


rule verifiers:
    """Every verifier measured, and the samples with their step scores to read."""
    input:
        verifier_reports,


rule forecast:
    """Forecast every stage of the selected runs: snakemake forecast --config 'select=[grpo]'."""
    input:
        forecast_files(),
