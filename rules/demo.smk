# Requires: nothing.
# Makes: resources/demo, the laptop's problems, benchmarks and base model, which profiles/demo/pins.tsv names as local files.
# Steps: make_demo_problems, make_demo_model; make_demo_steps for verifiers.


rule make_demo_problems:
    """Make {params.problems} problems in Big-Math's columns and three benchmarks of {params.per_benchmark} items, with {params.leaks} leaks of each kind planted."""
    input:
        code=code("make_demo_problems.py"),
    output:
        problems="resources/demo/problems.parquet",
        benchmarks=expand("resources/demo/{name}.jsonl", name=["demo_symbols", "demo_words", "demo_mixed"]),
        leaks="resources/demo/leaks.json",
    params:
        problems=CONFIG.demo.problems,
        per_benchmark=CONFIG.demo.items,
        leaks=CONFIG.demo.leaks,
        seed=CONFIG.demo.seed,
        out=parent,
    log:
        "logs/make_demo_problems/all.log",
    benchmark:
        "logs/make_demo_problems/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(5),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --problems {params.problems:q}"
        " --items {params.per_benchmark:q}"
        " --leaks {params.leaks:q}"
        " --seed {params.seed:q}"
        " --out {params.out:q}"
        " > {log:q} 2>&1"


rule make_demo_steps:
    """Make {params.number} solutions of demo problems, half of them with a planted error: their first wrong step is known."""
    input:
        code=code("make_demo_steps.py"),
    output:
        steps="resources/demo/steps.jsonl",
    params:
        number=1000,
        seed=CONFIG.demo.seed + 1,
    log:
        "logs/make_demo_steps/all.log",
    benchmark:
        "logs/make_demo_steps/all.tsv"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(5),
    container:
        image("cpu")
    shell:
        "python {input.code[0]:q}"
        " --count {params.number:q}"
        " --seed {params.seed:q}"
        " --out {output.steps:q}"
        " > {log:q} 2>&1"


rule make_demo_model:
    """Train the demo's base model from scratch: {params.pretraining_steps} + {params.supervised_steps} supervised steps, half a million parameters."""
    input:
        code=code("make_demo_model.py"),
    output:
        model=directory("resources/demo/base"),
    params:
        per_benchmark=CONFIG.demo.items,
        seed=CONFIG.demo.seed,
        pretraining_steps=CONFIG.demo.pretraining_steps,
        supervised_steps=CONFIG.demo.supervised_steps,
        worked=CONFIG.demo.worked,
        boxed=CONFIG.demo.boxed,
        habits=CONFIG.demo.habits,
        instruction=literal(CONFIG.prompt.instruction + CONFIG.prompt.separator),
    log:
        "logs/make_demo_model/all.log",
    benchmark:
        "logs/make_demo_model/all.tsv"
    threads: 2
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    container:
        image("cpu")
    shell:
        "OMP_NUM_THREADS={threads:q} python {input.code[0]:q}"
        " --instruction {params.instruction:q}"
        " --items {params.per_benchmark:q}"
        " --seed {params.seed:q}"
        " --pretraining-steps {params.pretraining_steps:q}"
        " --supervised-steps {params.supervised_steps:q}"
        " --worked {params.worked:q}"
        " --boxed {params.boxed:q}"
        " --habits {params.habits:q}"
        " --out {output.model:q}"
        " > {log:q} 2>&1"
