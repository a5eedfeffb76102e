"""How sampling work is split, seeded, kept and merged: none of it may show in the result."""

import json
import shutil
import sys

import pytest
from mathrl.config.evaluation import Engine, Sampling
from mathrl.config.sources import Prompt
from mathrl.core.files import UserError, write_jsonl
from mathrl.core.hashes import model_sha256
from mathrl.evaluation import sampling
from support.models import NO_WEIGHTS

PROTOCOL = Sampling(prompt="training", temperature=1.0, top_p=1.0, max_tokens=8, seed=0, n=2, greedy=True)
PROMPT = Prompt(instruction="Solve.", separator=" ")


@pytest.fixture
def benchmarks(tmp_path):
    for name, count in (("a", 7), ("b", 3)):
        write_jsonl(tmp_path / f"{name}.jsonl", ({"id": f"{name}{i}", "problem": "x" * (i + 1), "answer": "1"} for i in range(count)))
    return {"a": tmp_path / "a.jsonl", "b": tmp_path / "b.jsonl"}


@pytest.mark.parametrize("shards", [1, 2, 6, 20])
def test_shards_are_a_partition(benchmarks, shards):
    requests = sampling.all_requests({"p": PROTOCOL}, benchmarks)
    assert len(requests) == (7 + 3) * 3
    parts = [sampling.shard_of(requests, shard, shards) for shard in range(shards)]
    assert sorted(r.key for part in parts for r in part) == sorted(r.key for r in requests)


def test_seeds_belong_to_the_sample_and_not_to_the_split(benchmarks):
    requests = sampling.all_requests({"p": PROTOCOL}, benchmarks)
    seeds = [sampling.seed_of(0, request) for request in requests]
    assert len(set(seeds)) == len(seeds)
    assert seeds != [sampling.seed_of(1, request) for request in requests]
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("together", [1, 4, 7, 100, None])
def test_what_is_computed_together_does_not_depend_on_what_is_there(benchmarks, together):
    requests = sampling.all_requests({"p": PROTOCOL, "q": PROTOCOL.changed(greedy=False)}, benchmarks)
    whole = list(sampling.batches_of(requests, set(requests), together))
    assert sorted(r.key for batch in whole for r in batch) == sorted(r.key for r in requests)
    assert all(len({request.sample == sampling.GREEDY for request in batch}) == 1 for batch in whole)
    assert together is None or max(map(len, whole)) <= together
    for last in (1, 5, 20, len(requests)):  # a kill left all but so many
        missing = set([request for batch in whole for request in batch][-last:])
        left = list(sampling.batches_of(requests, missing, together))
        if together:
            assert left == whole[len(whole) - len(left) :]
            assert missing <= {request for batch in left for request in batch}
            assert len(left) == 1 or not missing.isdisjoint(left[0])
        else:
            assert {request for batch in left for request in batch} == missing


def row(request, text):
    benchmark, item, sample, problem = request.key
    return {
        "benchmark": benchmark,
        "id": item,
        "sample": sample,
        "problem": problem,
        "response": text,
        "finish_reason": "stop",
        "tokens": 1,
    }


def test_merged_files_do_not_show_the_order_of_work(benchmarks, tmp_path):
    requests = sampling.all_requests({"p": PROTOCOL}, benchmarks)
    forward, backward = tmp_path / "f", tmp_path / "b"
    write_jsonl(forward / "0.jsonl", (row(r, str(r.key)) for r in requests))
    write_jsonl(backward / "0.jsonl", (row(r, str(r.key)) for r in requests[20:]))
    write_jsonl(backward / "1.jsonl", (row(r, str(r.key)) for r in reversed(requests[:20])))
    first, second = (sampling.merge(store, "p", PROTOCOL, benchmarks) for store in (forward, backward))
    assert json.dumps(first) == json.dumps(second)
    assert [(r["id"], r["sample"]) for r in first["b"]][:4] == [("b0", -1), ("b0", 0), ("b0", 1), ("b1", -1)]


def test_a_line_that_a_kill_cut_off_is_ignored(benchmarks, tmp_path):
    requests = sampling.all_requests({"p": PROTOCOL}, benchmarks)
    whole = json.dumps(row(requests[0], "yes")).encode() + b"\n"
    (tmp_path / "store").mkdir()
    (tmp_path / "store/0.jsonl").write_bytes(whole + json.dumps(row(requests[1], "half")).encode()[:40])
    assert list(sampling.read_store(tmp_path / "store")) == [requests[0].key]


def test_a_missing_response_is_named(benchmarks, tmp_path):
    with pytest.raises(UserError, match=r"lacks sample -1 of a item a0.*--forcerun generate_samples"):
        sampling.merge(tmp_path / "empty", "p", PROTOCOL, benchmarks)


def test_the_store_knows_what_decides_a_response(tmp_path):
    def place(protocol=PROTOCOL, model="m", prompt=PROMPT, **engine):
        return sampling.store_directory(tmp_path, sampling.store_content(model, protocol, prompt, Engine(**{"dtype": "float32", **engine})))

    assert place() == place(PROTOCOL.changed(n=16)), "more samples keep those that are there"
    others = [place(PROTOCOL.changed(temperature=0.6)), place(PROTOCOL.changed(seed=1)), place(model="n"), place(dtype="bfloat16")]
    others.append(place(prompt=PROMPT.changed(instruction="Think.")))
    others.append(place(batch_invariant=True))
    assert len({place(), *others}) == 7
    routed = sampling.store_content("m", PROTOCOL, PROMPT, Engine(dtype="bfloat16"), routed="float32")
    assert sampling.store_directory(tmp_path, routed) not in others, "what a rounded router sampled is made again"
    assert place() == place(batch_invariant=False) == place(batch_size=4), "how the work is batched is no part of it"


class EngineStarts(Exception):
    """Instead of an engine."""


def test_samples_of_a_model_are_not_taken_for_those_of_other_weights(benchmarks, tmp_path, monkeypatch):
    """The other directory is a copy; its export.json still says the first one's hash."""
    model, other = tmp_path / "model", tmp_path / "other"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(NO_WEIGHTS)
    (model / "export.json").write_text(json.dumps({"model_sha256": model_sha256(model)}))
    shutil.copytree(model, other)
    (other / "model.safetensors").write_bytes((3).to_bytes(8, "little") + b"{ }")

    def start(*_):
        raise EngineStarts

    monkeypatch.setattr(sampling, "start_engine", start)
    engine = Engine(dtype="float32", batch_size=8)
    store = sampling.store_directory(tmp_path, sampling.store_content(model_sha256(model), PROTOCOL, PROMPT, engine, together=8))
    write_jsonl(store / "0.jsonl", (row(r, "yes") for r in sampling.all_requests({"p": PROTOCOL}, benchmarks)))

    def generate(model):
        given = {"model_name": "m", "model": model, "protocols": {"p": PROTOCOL}, "benchmarks": benchmarks, "prompt": PROMPT}
        more = {"shard": 0, "shards": 1, "engine": engine, "accelerator": "cpu", "root": tmp_path, "progress": sys.stderr}
        return sampling.generate(**given, **more)

    assert generate(model)["made"] == 0
    with pytest.raises(EngineStarts):
        generate(other)


def test_a_batch_that_is_made_again_has_the_room_that_it_had(tmp_path, monkeypatch):
    """Only the answer to the shortest problem is missing; the engine takes the longest one all the same."""
    write_jsonl(tmp_path / "a.jsonl", ({"id": f"a{i}", "problem": "x" * 10**i, "answer": "1"} for i in range(4)))
    model, asked = tmp_path / "model", []
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(NO_WEIGHTS)

    def start(model, protocols, engine, accelerator, requests, prompt):
        asked.append(max(len(request.problem) for request in requests))
        raise EngineStarts

    monkeypatch.setattr(sampling, "start_engine", start)
    engine, requests = Engine(dtype="float32", batch_size=8), sampling.all_requests({"p": PROTOCOL}, {"a": tmp_path / "a.jsonl"})
    store = sampling.store_directory(tmp_path, sampling.store_content(model_sha256(model), PROTOCOL, PROMPT, engine, together=8))
    write_jsonl(store / "0.jsonl", (row(r, "yes") for r in requests if r.problem != "x"))
    given = {"model_name": "m", "model": model, "protocols": {"p": PROTOCOL}, "benchmarks": {"a": tmp_path / "a.jsonl"}, "prompt": PROMPT}
    more = {"shard": 0, "shards": 1, "engine": engine, "accelerator": "cpu", "root": tmp_path, "progress": sys.stderr}
    with pytest.raises(EngineStarts):
        sampling.generate(**given, **more)
    assert asked == [1000]


def test_an_edited_problem_is_sampled_anew():
    first = sampling.Request("p", "a", "1", 0, "1+1")
    assert first.key != sampling.Request("p", "a", "1", 0, "1+2").key


@pytest.mark.parametrize(
    ("accelerator", "config", "kernels"),
    [
        ("cuda", {}, "triton"),
        ("cuda", {"quantization_config": {"quant_method": "fp8"}}, None),  # vLLM knows which kernels can read it
        ("cpu", {}, None),
    ],
)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_engine_has_the_precision_of_the_configuration_and_the_kernels_of_training(
    benchmarks, tmp_path, accelerator, config, kernels, dtype
):
    from vllm.engine.arg_utils import EngineArgs

    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 64} | config))
    requests = sampling.all_requests({"p": PROTOCOL}, benchmarks)
    engine = Engine(batch_size=4, gpu_memory_utilization=0.5, dtype=dtype)
    settings = sampling.engine_settings(tmp_path, {"p": PROTOCOL}, engine, accelerator, requests, PROMPT)
    assert settings.get("moe_backend") == kernels and settings["max_model_len"] == 64 and settings["dtype"] == dtype
    assert set(settings) <= set(EngineArgs.__dataclass_fields__)


def test_contest_prompt_byte_for_byte():
    expected = (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nPlease reason step by step, and put your final answer within \\boxed{}.\n"
        "Question:\nWhat?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert sampling.CONTEST_PROMPT.format(problem="What?") == expected
