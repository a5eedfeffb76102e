"""Every usual shape of a model trains: verl's own engine, under FSDP2, with log-probabilities in chunks, and what transformers computes."""

import json
import os
import subprocess
import sys

import pytest

KINDS = ("llama", "qwen2", "qwen3", "mistral", "gemma", "deepseek_v3")
DTYPES = ("float32", "bfloat16")
# Of a loss near 5.7, relative; of a weight after two updates of 1e-3; of all weights, in parts of the way that they went; of the
# probability of a token (about 1/300), on average. AdamW's first updates are the gradient's sign, so that in bfloat16 a gradient near zero
# turns one weight the other way: twice both updates at most.
LOSS, WEIGHTS = {"float32": 1e-5, "bfloat16": 1e-3, "float16": 1e-3}, {"float32": 2e-4, "bfloat16": 4.1e-3, "float16": 4.1e-3}
MOVED, PROBABILITIES = {"float32": 1e-3, "bfloat16": 0.15, "float16": 0.15}, {"float32": 1e-8, "bfloat16": 1e-5, "float16": 1e-5}


def train(root, folder, world, cases, timeout=600):
    """What each case gave, by case."""
    from mathrl.verl.environment import verl_environment

    environment = {**os.environ, **verl_environment("cpu"), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "VLLM_LOGGING_LEVEL": "ERROR"}
    program = [sys.executable, root / "tests/verl/train_shapes.py", folder]
    pipes = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*program, str(rank), str(world), *cases], **pipes) for rank in range(world)]
    said = [process.communicate(timeout=timeout) for process in started]
    assert all(process.returncode == 0 for process in started), said[0][0][-500:] + said[0][1][-3000:]
    lines = [json.loads(line) for line in said[0][0].splitlines() if line.startswith('{"case"')]
    return {line["case"]: line for line in lines}


def check(found, cases):
    """Losses and weights are those of transformers, in every case."""
    assert set(found) == set(cases)
    for case, line in found.items():
        dtype, *more = case.split(":")[2:]
        lora = "lora" in more
        assert line["losses"] == pytest.approx(line["expected"], rel=LOSS[dtype]), line
        assert line["expected"][1] < line["expected"][0] - (0.001 if lora else 0.01), "the update was one"
        assert line["weights"] <= WEIGHTS[dtype] and line["compared"] >= 20, line
        assert line["moved"] <= MOVED[dtype] and line["probabilities"] <= PROBABILITIES[dtype], line
        if lora:
            assert line["sent"] <= WEIGHTS[dtype] and line["dtypes"] == ["torch.float32"] and not line["unknown"], line


def test_an_untied_head_and_an_adapter_train_in_chunks(root, tmp_path):
    """reference: FSDP2 with an untied head ended in `mixed torch.Tensor and DTensor` at the first log-probability."""
    cases = ["qwen2:untied:float32", "deepseek_v3:tied:float32:lora"]  # the second: an adapter, and experts in a weight sync
    check(train(root, tmp_path, 1, cases), cases)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", [1, 2])
def test_the_matrix_of_models(root, tmp_path, world):
    cases = [f"{kind}:{tied}:{dtype}{lora}" for kind in KINDS for tied in ("tied", "untied") for dtype in DTYPES for lora in ("", ":lora")]
    cases += [f"{kind}:untied:float32:speed" for kind in ("qwen2", "deepseek_v3")]
    cases += [f"{kind}:untied:{dtype}:packed" for kind in ("qwen2", "deepseek_v3") for dtype in DTYPES]
    cases += [f"{kind}:untied:float16{lora}" for kind in ("qwen2", "deepseek_v3") for lora in ("", ":lora")]  # with verl's scaled loss
    check(train(root, tmp_path, world, cases, timeout=3000), cases)
