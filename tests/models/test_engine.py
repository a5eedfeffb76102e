"""A prepared DeepSeek-V3 model in vLLM's CPU build: greedy tokens and log-probabilities are transformers'."""

import json
import os
import subprocess
import sys

import pytest
from mathrl.models.prepare import prepare

PROMPTS = [[5, 9, 100, 40, 33, 7, 250, 12], [1, 2, 3], [7]]
ENGINE = """
import json, sys
from mathrl.models import cpu_kernels
if sys.argv[2] == "adapted":
    cpu_kernels.apply()
from vllm import LLM, SamplingParams
llm = LLM(model=sys.argv[1], dtype="float32", enforce_eager=True, max_model_len=128, max_num_seqs=4, enable_prefix_caching=False)
wanted = SamplingParams(temperature=0, max_tokens=8, logprobs=1, ignore_eos=True)
made = [done.outputs[0] for done in llm.generate([{"prompt_token_ids": ids} for ids in json.loads(sys.argv[3])], wanted)]
print("RESULT" + json.dumps([[list(o.token_ids), [step[t].logprob for step, t in zip(o.logprobs, o.token_ids)]] for o in made]))
"""


def sample(folder, kind):
    settings = {"VLLM_MLA_DISABLE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1"}
    settings |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ENGINE, str(folder), kind, json.dumps(PROMPTS)]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT")).removeprefix("RESULT"))


@pytest.mark.full
def test_engine_is_transformers(published, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    sizes = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}  # OpenSeek's
    sizes |= {"hidden_size": 128, "moe_intermediate_size": 32}  # what vLLM's kernels on a CPU ask for
    prepare(published(dtype="float32", bias_dtype="float32", **sizes), tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    made = sample(tmp_path / "model", "adapted")
    for prompt, (tokens, logprobs) in zip(PROMPTS, made, strict=True):
        with torch.no_grad():
            expected = torch.log_softmax(model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1], -1)
        assert tokens == expected.argmax(-1).tolist()
        assert torch.tensor(logprobs) == pytest.approx(expected.max(-1).values, abs=1e-3)
