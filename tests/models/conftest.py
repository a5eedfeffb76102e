"""A tiny random model in the layout in which OpenSeek-Small is published, quirks included; the tests prepare it."""

import base64
import json
import random
from pathlib import Path

import pytest
from mathrl.demo.world import draw, write_response
from mathrl.models import tokenizer as fast
from mathrl.models.shape import shapes

CONFIG = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "auto_map": {
        "AutoConfig": "configuration_deepseek.DeepseekV3Config",
        "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM",
    },
    "bos_token_id": 151849,
    "eos_token_id": 151850,
    "first_k_dense_replace": 1,
    "hidden_act": "silu",
    "hidden_size": 64,
    "intermediate_size": 96,
    "kv_lora_rank": 32,
    "max_position_embeddings": 512,
    "model_type": "deepseek_v3",
    "moe_intermediate_size": 24,
    "moe_layer_freq": 1,
    "n_group": 1,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "norm_topk_prob": True,
    "num_attention_heads": 2,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": None,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "routed_scaling_factor": 2.446,
    "scoring_func": "sigmoid",
    "tie_word_embeddings": True,
    "topk_group": 1,
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "v_head_dim": 16,
}
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRAP = "raise RuntimeError('code from a hub was run')\n"


def problem_texts(count: int, seed: int = 5) -> list[str]:
    """Generated problems and responses, as the demo makes them."""
    rng = random.Random(seed)
    problems = [draw(rng, rng.choice(("symbols", "words"))) for _ in range(count)]
    return [text for problem in problems for text in (problem.text, write_response(rng, problem, 0.5, 0.5))][:count]


@pytest.fixture(scope="session")
def generated():
    """Draws generated texts."""
    return problem_texts


@pytest.fixture(scope="session")
def ranks() -> dict[bytes, int]:
    """Ranks as a training of byte-level BPE leaves them: 256 bytes, then merges."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(fast.PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=640, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*problem_texts(2000), "  \n\n\\frac{1}{2} α β 是 数"] * 2, trainer)
    bytes_of = {letter: byte for byte, letter in fast.byte_letters().items()}
    return {bytes(bytes_of[letter] for letter in text): rank for text, rank in tokenizer.get_vocab().items()}


def write_published(folder: Path, ranks: dict, dtype: str = "bfloat16", bias_dtype: str = "bfloat16", **changes) -> Path:
    """Write the layout: one tensor per expert, a copy of the tied head, remote code, tiktoken ranks, JSON with a stray comma.

    `changes` go over config.json; `vocab_size` is what the tokenizer has unless given.
    """
    import torch
    from safetensors.torch import save_file

    config = CONFIG | {"vocab_size": len(ranks) + len(fast.SPECIAL)} | changes
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1)
    state = {}
    for name, shape in shapes(config).items():
        if name.endswith("e_score_correction_bias"):
            state[name] = (0.3 * torch.randn(shape, generator=generator)).to(getattr(torch, bias_dtype))
        elif name.endswith(("norm.weight", "layernorm.weight")):
            state[name] = (1 + 0.2 * torch.randn(shape, generator=generator)).to(getattr(torch, dtype))
        else:
            state[name] = (0.15 * torch.randn(shape, generator=generator)).to(getattr(torch, dtype))
    if config["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "generation_config.json").write_text(
        '{\n  "_from_model_config": true,\n  "bos_token_id": 151849,\n  "eos_token_id": 151850,\n}\n'
    )
    tokens = {"bos_token": "<|extra_203|>", "eos_token": "<|extra_204|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens))
    remote = {"AutoTokenizer": ["tokenization_qwen.QWenTokenizer", None]}
    settings = {"model_max_length": 8192, "tokenizer_class": "QWenTokenizer", "auto_map": remote, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for name in ("tokenization_qwen.py", "configuration_deepseek.py", "modeling_deepseek.py", "qwen_generation_utils.py"):
        (folder / name).write_text(TRAP)
    lines = [base64.b64encode(token) + b" %d\n" % rank for token, rank in sorted(ranks.items(), key=lambda item: item[1])]
    (folder / "qwen.tiktoken").write_bytes(b"".join(lines))
    return folder


@pytest.fixture
def published(tmp_path, ranks):
    """Make the published layout with changes; returns its directory."""

    def make(name: str = "published", **changes) -> Path:
        return write_published(tmp_path / name, ranks, **changes)

    return make


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, ranks):
    """(published, prepared) directories and the report; made once and not changed."""
    from mathrl.models.prepare import prepare

    folder = tmp_path_factory.mktemp("openseek")
    source = write_published(folder / "published", ranks)
    return source, folder / "model", prepare(source, folder / "model")
