"""route.py MODEL usual|float32 OUT: what vLLM on a CPU samples from a DeepSeek-V3 model in bfloat16, with its routers or ours.

OUT has, of each response, prompt, tokens and their log-probabilities, and what each layer's router was given and gave.
"""

import os
import sys

model, kind, out = sys.argv[1:]
os.environ |= {"VLLM_LOGGING_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"}

import torch  # noqa: E402
from mathrl.models import engine_start, router  # noqa: E402

if kind == "usual":
    router.has_one = lambda model: False
llm = engine_start.start_llm("cpu", model=model, dtype="bfloat16", enforce_eager=True, max_model_len=128, enable_prefix_caching=False)
from vllm import SamplingParams  # noqa: E402

routed = []
for name, module in llm.llm_engine.model_executor.driver_worker.get_model().named_modules():
    if name.endswith("mlp.gate"):
        module.register_forward_hook(lambda _, given, made: routed.append((given[0].clone(), made[0].clone())))
prompts = torch.randint(3, 600, (8, 8), generator=torch.Generator().manual_seed(1)).tolist()
wanted = SamplingParams(temperature=1.0, max_tokens=64, logprobs=0, ignore_eos=True, seed=1)
made = [done.outputs[0] for done in llm.generate([{"prompt_token_ids": ids} for ids in prompts], wanted, use_tqdm=False)]
responses = [
    (prompt, list(one.token_ids), [step[token].logprob for step, token in zip(one.logprobs, one.token_ids, strict=True)])
    for prompt, one in zip(prompts, made, strict=True)
]
torch.save({"responses": responses, "routed": routed}, out)
