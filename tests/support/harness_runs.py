"""Run by the Python of .venv-harness: the two other harnesses themselves, with responses that are given instead of generated.

python harness_runs.py lm-eval|inspect|read-inspect FOLDER [FILE]: FOLDER holds benchmark.jsonl and responses.json.
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    problems = [json.loads(line) for line in (folder / "benchmark.jsonl").read_text().splitlines()]
    responses = json.loads((folder / "responses.json").read_text())

if __name__ == "__main__" and what == "lm-eval":
    from lm_eval import evaluator
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker

    class Given(LM):
        def generate_until(self, requests, **_):
            return [responses[request.doc["id"]][0] for request in requests]

        def loglikelihood(self, requests, **_):
            raise TypeError("this task generates: nothing asks for likelihoods")

        loglikelihood_rolling = loglikelihood

    boxed = {"function": "regex", "regex_pattern": r"\\boxed\{([^{}]*)\}", "group_select": -1}
    task = {
        "task": "given",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "benchmark.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{problem}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": [], "do_sample": False},
        "filter_list": [{"name": "boxed", "filter": [boxed, {"function": "take_first"}]}],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    found = evaluator.simple_evaluate(Given(), tasks=[task], log_samples=True, bootstrap_iters=0)
    tracker = EvaluationTracker(output_path=str(folder / "lm-eval"))
    tracker.date_id = "2026-01-01T00-00-00"
    tracker.save_results_samples("given", found["samples"]["given"])
    print(json.dumps({"exact_match": found["results"]["given"]["exact_match,boxed"]}))

if __name__ == "__main__" and what == "inspect":
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import math
    from inspect_ai.solver import generate

    outputs = [ModelOutput.from_content("given", text) for row in problems for text in responses[row["id"]]]
    for output in outputs:  # counted here: inspect would download a tokenizer for it
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    samples = [Sample(id=row["id"], input=row["problem"], target=row["answer"]) for row in problems]
    one = len(responses[problems[0]["id"]])
    model = get_model("mockllm/model", custom_outputs=[outputs[at * one + epoch] for epoch in range(one) for at in range(len(problems))])
    task = Task(dataset=MemoryDataset(samples), solver=generate(), scorer=math(), epochs=one)
    (log,) = eval(task, model, log_dir=str(folder / "inspect"), log_format="json", display="none", max_samples=1, max_connections=1)
    print(json.dumps({"status": log.status, "file": log.location}))

if __name__ == "__main__" and what == "read-inspect":
    from inspect_ai import score
    from inspect_ai.log import read_eval_log
    from inspect_ai.scorer import math

    log = score(read_eval_log(sys.argv[3]), math(), action="append", display="none")
    told = {f"{s.id} {s.epoch}": [s.scores["mathrl"].value, s.scores["math"].value, s.output.completion] for s in log.samples}
    print(json.dumps({"status": log.status, "samples": told}))
