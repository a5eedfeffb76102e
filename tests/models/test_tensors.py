"""Weights put together from other files: bit by bit, in whatever type, without memory of their own."""

import pytest
from mathrl.core.files import UserError
from mathrl.models import tensors


@pytest.fixture
def source(tmp_path):
    """A file of several types, not-a-numbers included."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)
    state = {
        "a": torch.randn(3, 5, generator=generator).to(torch.bfloat16),
        "b": torch.full((2,), float("nan")),
        "c": torch.arange(6, dtype=torch.int8).reshape(2, 3),
        "d": torch.tensor(1.5, dtype=torch.float16),
        "e": torch.randn(4, generator=generator).to(torch.float8_e4m3fn),
        "m.mlp.experts.gate_up_proj": torch.randn(2, 6, 4, generator=generator),
        "m.mlp.experts.down_proj": torch.randn(2, 4, 3, generator=generator),
    }
    save_file(state, tmp_path / "model.safetensors")
    return state, tmp_path / "model.safetensors"


def test_every_kept_tensor_is_bit_identical(source, tmp_path):
    _, path = source
    have = tensors.read_header(path)
    copy = have | {"again": have["a"]}
    tensors.write(tmp_path / "out.safetensors", copy)
    again = tensors.read_header(tmp_path / "out.safetensors")
    assert set(again) == set(copy) and all(tensors.same_bytes(again[name], copy[name]) for name in copy)
    assert not tensors.same_bytes(again["a"], again["b"])
    first = (tmp_path / "out.safetensors").read_bytes()
    tensors.write(tmp_path / "out.safetensors", copy)
    assert (tmp_path / "out.safetensors").read_bytes() == first


def test_fused_experts_are_parts_of_their_tensor(source, tmp_path):
    import torch
    from safetensors.torch import load_file

    state, path = source
    tensors.write(tmp_path / "out.safetensors", tensors.unfuse(tensors.read_header(path)))
    found = load_file(tmp_path / "out.safetensors")
    fused = state["m.mlp.experts.gate_up_proj"]
    for expert in range(2):
        assert torch.equal(found[f"m.mlp.experts.{expert}.gate_proj.weight"], fused[expert, :3])
        assert torch.equal(found[f"m.mlp.experts.{expert}.up_proj.weight"], fused[expert, 3:])
        assert torch.equal(found[f"m.mlp.experts.{expert}.down_proj.weight"], state["m.mlp.experts.down_proj"][expert])


def own_memory():
    """Bytes of this process that no file backs."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def test_a_model_is_written_without_memory_of_its_own(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({f"t{i}": torch.ones(4, 1 << 20) for i in range(6)}, tmp_path / "model.safetensors")  # 100 MB
    have = tensors.read_header(tmp_path / "model.safetensors")
    before = own_memory()
    tensors.write(tmp_path / "out.safetensors", have | {"head": have["t0"]})
    assert own_memory() - before < 20e6


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:20], lambda data: b"", lambda data: b"{" * 100], ids=range(4)
)
def test_a_broken_file_is_named(source, damage):
    _, path = source
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"model\.safetensors: is no whole safetensors file .*fetch the model again"):
        tensors.read_header(path)
