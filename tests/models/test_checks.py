"""Models that an engine cannot serve are refused by their config.json."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.models.checks import CPU_HEADS, check_heads, check_parallel
from mathrl.models.usual import USUAL

LATENT = {"kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 16, "hidden_size": 64, "num_attention_heads": 4}


@pytest.mark.parametrize(
    ("shape", "head"),
    [
        ({"hidden_size": 64, "num_attention_heads": 4}, 16),
        ({"hidden_size": 64, "num_attention_heads": 4, "head_dim": 48}, 48),
        ({"hidden_size": 64, "num_attention_heads": 2}, None),
        ({"hidden_size": 64, "num_attention_heads": 4, "head_dim": 128}, None),
        ({"hidden_size": 576, "num_attention_heads": 9, "head_dim": None}, None),
        (LATENT, None),
        (LATENT | {"qk_nope_head_dim": 8}, 24),
        ({"kv_lora_rank": None, "hidden_size": 96, "num_attention_heads": 2}, 48),
        ({"kv_lora_rank": 512}, None),
        ({"text_config": {"hidden_size": 96, "num_attention_heads": 2}}, 48),
        ({"n_embd": 96, "n_head": 2}, 48),
        ({"hidden_size": "64", "num_attention_heads": [4]}, None),
        ({"architectures": ["Unknown"]}, None),
        ([], None),
        (None, None),
    ],
)
def test_heads_that_vllm_lacks_on_a_cpu_are_refused_with_their_size(tmp_path, shape, head):
    check_heads(tmp_path, "cpu")  # not fetched yet
    (tmp_path / "config.json").write_text(json.dumps(shape))
    check_heads(tmp_path, "cuda")
    if head is None:
        return check_heads(tmp_path, "cpu")
    with pytest.raises(UserError, match=rf"its attention heads have size {head}; on a CPU vLLM has kernels for 32, 64"):
        check_heads(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("name", "parallel", "says"),
    [
        ("Qwen/Qwen2.5-Math-1.5B", 4, None),  # 12 heads, 2 of keys and values: each of these is copied
        ("Qwen/Qwen2.5-Math-1.5B", 8, r"the 12 attention heads \(2 of keys and values\) of M .* tensor_parallel 8; .*: 1, 2, 4$"),
        ("Qwen/Qwen2.5-Math-7B", 8, r"the 28 attention heads \(4 of keys and values\) of M .*: 1, 2, 4$"),
        ("BAAI/OpenSeek-Small-v1-SFT", 4, r"run grpo: the 10 attention heads of M do not divide .* with 8 GPU\(s\) these do: 1, 2$"),
        ("BAAI/OpenSeek-Small-v1-SFT", 2, None),
        ("Qwen/Qwen3-8B", 8, None),
        ("nobody/knows", 7, None),
    ],
)
def test_heads_that_do_not_divide_among_an_engines_gpus(name, parallel, says):
    sizes = USUAL.get(name, {})
    if says is None:
        return check_parallel(sizes, parallel, 8, "M", "run grpo")
    with pytest.raises(UserError, match=says):
        check_parallel(sizes, parallel, 8, "M", "run grpo")


def test_heads_of_keys_and_values_divide_or_are_copied():
    with pytest.raises(UserError, match=r"24 attention heads \(3 of keys and values\) .* with 24 GPU\(s\) these do: 1, 3, 6, 12, 24$"):
        check_parallel({"num_attention_heads": 24, "num_key_value_heads": 3}, 2, 24, "M", "training")


def test_the_sizes_are_those_of_the_locked_vllm():
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("vLLM is not installed")
    source = Path(found.submodule_search_locations[0]) / "v1/attention/backends/cpu_attn.py"
    functions = {node.name: node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.FunctionDef)}
    returned = functions["get_supported_head_sizes"].body[-1]
    assert isinstance(returned, ast.Return) and returned.value is not None
    assert tuple(ast.literal_eval(returned.value)) == CPU_HEADS
