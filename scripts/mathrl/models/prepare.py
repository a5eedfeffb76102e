"""A published model directory → one that trains and samples. An ordinary Hugging Face directory passes through bit by bit.

What may be wrong with a published DeepSeek-V3-shaped checkpoint, and what becomes of it: docs/reference/openseek.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mathrl.core.files import JsonObject, UserError, read_json, replaced_directory, write_bytes, write_json, write_text
from mathrl.data.fetch import link
from mathrl.models import tensors as weights
from mathrl.models import tokenizer
from mathrl.models.records import ModelConfig, Prepared, SpecialTokens
from mathrl.models.shape import BIAS, DEEPSEEK_V3, shapes
from mathrl.models.tensors import Tensor

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
END_OF_TURN = "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# What a prepared directory holds besides the weights; of the rest of a published one only these are kept.
TEXTS = ("LICENSE", "LICENSE.txt", "README.md")
TOPK_METHOD = "noaux_tc"
# What transformers' and vLLM's own DeepSeek-V3 compute; another value needs another model.
FIXED = {"scoring_func": "sigmoid", "moe_layer_freq": 1, "hidden_act": "silu", "rope_interleave": True, "topk_method": TOPK_METHOD}
GROUPS: tuple[Literal["n_group", "topk_group"], ...] = ("n_group", "topk_group")


def needs_work(source: Path, config: ModelConfig) -> bool:
    """Is this a published layout that transformers or vLLM cannot use as it is?"""
    own_code = "auto_map" in config or "auto_map" in _optional(source / "tokenizer_config.json")
    no_tokenizer = bool(list(source.glob("*.tiktoken"))) and not (source / "tokenizer.json").is_file()
    return no_tokenizer or (config.get("model_type") == DEEPSEEK_V3 and (own_code or bool(config.get("num_nextn_predict_layers"))))


def check_code(source: Path, config: ModelConfig) -> None:
    """Refuse a model that only its own code can run."""
    if "auto_map" not in config:
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = config.get("model_type")
    if kind not in CONFIG_MAPPING_NAMES:
        raise UserError(
            f"{source / 'config.json'}: model_type '{kind}' needs code from its hub (auto_map), which this workflow does not run; "
            f"choose a model that transformers knows"
        )


def prepare(source: Path, out: Path) -> Prepared:
    """Write the directory `out` (replaced as a whole) from the published directory `source`; returns what was done.

    Raises:
        UserError: the checkpoint is incomplete, contradicts itself, or needs code from a hub.
    """
    if not (source / "config.json").is_file():
        has = ", ".join(sorted(path.name for path in source.iterdir())[:8]) if source.is_dir() else "no such directory"
        raise UserError(f"{source}: is no Hugging Face model, config.json is missing ({has}); fetch the model again")
    config: ModelConfig = read_json(source / "config.json")
    if not isinstance(config, dict):
        raise UserError(f"{source / 'config.json'}: holds no object; fetch the model again")
    with replaced_directory(out) as staged:
        if needs_work(source, config):
            return _convert(source, config, staged)
        check_code(source, config)
        _pass(source, staged)
        added = add_head(staged)
        return {"layout": "ordinary", "changes": [f"weights: {HEAD} added, vLLM's DeepSeek-V3 ties nothing"] if added else []}


def add_head(folder: Path) -> bool:
    """Give a DeepSeek-V3 directory with tied embeddings the copy of them that vLLM needs; says whether there was anything to do.

    vLLM's DeepSeek-V3 does not read `tie_word_embeddings`: without `lm_head.weight` its logits are all zero, and it generates
    token 0 for ever. transformers leaves the tied tensor out as it saves, and so does verl's merger.
    """
    config = read_json(folder / "config.json")
    if config.get("model_type") != DEEPSEEK_V3 or not config.get("tie_word_embeddings"):
        return False
    have = weights.read_checkpoint(folder)
    if HEAD in have or EMBEDDING not in have:
        return False
    have[HEAD] = have[EMBEDDING]
    _write_weights(folder, have, folder)
    return True


def _pass(source: Path, staged: Path) -> None:
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            link(path, staged / inside)


def _convert(source: Path, config: ModelConfig, staged: Path) -> Prepared:
    file = source / "config.json"
    if config.get("model_type") != DEEPSEEK_V3:
        raise UserError(
            f"{file}: model_type '{config.get('model_type')}' with a tokenizer in remote code; only {DEEPSEEK_V3} checkpoints can be "
            f"prepared, choose a model with a tokenizer.json"
        )
    if config.get("quantization_config"):
        raise UserError(f"{file}: quantised weights cannot be trained; choose a checkpoint in 16 or 32 bits")
    changes: list[str] = []
    if config.pop("auto_map", None):
        changes.append("config.json: auto_map removed, transformers' own DeepSeek-V3 is used")
    config["architectures"] = ["DeepseekV3ForCausalLM"]
    have = _weights(source, config, changes)
    _reconcile(file, config, have, changes)
    special = _tokenizer(source, config, staged, changes)
    _generation(source, config, special, staged, changes)
    _write_weights(source, have, staged)
    write_json(staged / "config.json", config)
    for name in TEXTS:
        if (source / name).is_file():
            link(source / name, staged / name)
    tied = HEAD if config.get("tie_word_embeddings") else None
    parameters = sum(math.prod(tensor.shape) for name, tensor in have.items() if not name.endswith(BIAS) and name != tied)
    return {
        "layout": "published",
        "changes": changes,
        "parameters": parameters,
        "tensors": len(have),
        "vocabulary": {"rows": config["vocab_size"], **special["counts"]},
        "special_tokens": {key: special[key] for key in ("bos_token", "eos_token", "pad_token")},
        "end_of_response": special["stops"],
    }


def _weights(source: Path, config: ModelConfig, changes: list[str]) -> dict[str, Tensor]:
    """The tensors of the prepared model: whole, of the configuration's shapes, experts one each, nothing besides."""
    published = weights.read_checkpoint(source)
    have = dict(sorted(weights.unfuse(published).items()))
    if len(have) != len(published):
        changes.append("weights: fused experts written one tensor each, as vLLM reads them; transformers fuses them as it loads")
    try:
        expected = shapes(config)
    except KeyError as error:
        raise UserError(f"{source / 'config.json'}: lacks {error}, so its weights cannot be checked; fetch the model again") from None
    head = have.pop(HEAD, None) if config.get("tie_word_embeddings") else None
    layers = config["num_hidden_layers"]
    extra = [name for name in have if (match := re.match(r"model\.layers\.(\d+)\.", name)) and int(match[1]) >= layers]
    declared = config.get("num_nextn_predict_layers") or 0
    beyond = {int(name.split(".")[2]) for name in extra}
    if any(layer >= layers + declared for layer in beyond):
        raise UserError(
            f"{source}: has weights of layer {max(beyond)}, config.json declares {layers} layers and {declared} for multi-token "
            f"prediction; fetch config.json and weights of one revision"
        )
    for name in extra:
        del have[name]
    if extra:
        changes.append(f"weights: {len(extra)} tensors of multi-token prediction removed; training would leave them behind")
    for name in [name for name in have if name.endswith("rotary_emb.inv_freq")]:
        del have[name]
    if missing := sorted(set(expected) - set(have)):
        raise UserError(f"{source}: lacks {len(missing)} tensors that config.json asks for, the first is {missing[0]}; fetch it again")
    if unknown := sorted(set(have) - set(expected)):
        raise UserError(f"{source}: has {len(unknown)} tensors that DeepSeek-V3 does not know, the first is {unknown[0]}")
    for name, tensor in have.items():
        if tensor.shape != expected[name]:
            raise UserError(
                f"{source}: {name} has shape {list(tensor.shape)}, config.json asks for {list(expected[name])}; "
                f"fetch config.json and weights of one revision"
            )
        if tensor.dtype not in ("BF16", "F16", "F32"):
            raise UserError(f"{source}: {name} is {tensor.dtype}; choose a checkpoint in 16 or 32 bits")
    if config.get("tie_word_embeddings"):
        embedding = have[EMBEDDING]
        if head is None or not weights.same_bytes(head, embedding):
            why = "vLLM's DeepSeek-V3 ties nothing" if head is None else "it differed, though config.json ties it"
            changes.append(f"weights: {HEAD} written as a copy of the tied embedding; {why}")
            head = embedding
        have[HEAD] = head
    return have


def _reconcile(file: Path, config: ModelConfig, have: Mapping[str, Tensor], changes: list[str]) -> None:
    for key, value in FIXED.items():
        found = config.get(key)
        if found not in (None, value):
            raise UserError(f"{file}: {key} is {found!r}; transformers' and vLLM's DeepSeek-V3 compute {value!r} only")
    if config.get("num_nextn_predict_layers"):
        changes.append(f"config.json: num_nextn_predict_layers {config['num_nextn_predict_layers']} → 0, no such weights are kept")
    config["num_nextn_predict_layers"] = 0
    biased = [name for name in have if name.endswith(BIAS)]
    if config.get("topk_method") is None:
        config["topk_method"] = TOPK_METHOD
        changes.append("config.json: topk_method noaux_tc added, without it vLLM leaves the router's bias out")
    for group in GROUPS:
        if config.get(group) is None:
            config[group] = 1
            changes.append(f"config.json: {group} 1 added, experts are not grouped")
    if any(have[name].dtype == "F32" for name in biased) and have["model.norm.weight"].dtype != "F32":
        changes.append("note: the router's bias is float32; verl's merger rounds it to bfloat16 in exported models")


def _tokenizer(source: Path, config: ModelConfig, staged: Path, changes: list[str]) -> SpecialTokens:
    """Write the tokenizer and its chat template; a response ends where the template closes a turn."""
    settings = _optional(source / "tokenizer_config.json")
    given = _optional(source / "special_tokens_map.json")
    names = {key: _text(settings.get(key) or given.get(key)) for key in ("bos_token", "eos_token", "pad_token", "unk_token")}
    built, counts = _built(source, settings, config["vocab_size"], staged, changes)
    template = _template(source, settings, changes)
    closes = END_OF_TURN in template and built.token_to_id(END_OF_TURN) is not None
    published = names["eos_token"]
    names["eos_token"] = END_OF_TURN if closes else published
    names["pad_token"] = names["pad_token"] or "<|endoftext|>"
    for key, text in [*names.items(), ("eos_token", published)]:
        if text and built.token_to_id(text) is None:
            raise UserError(f"{source}: {key} '{text}' is no token of the tokenizer; fetch the model again")
    if names["eos_token"] is None:
        raise UserError(
            f"{source}: names no eos_token and its chat template closes no turn with {END_OF_TURN}; add it to tokenizer_config.json"
        )
    if published != names["eos_token"]:
        changes.append(f"tokenizer: eos_token {published} → {names['eos_token']}, with which the chat template closes a turn")
    write_text(staged / "chat_template.jinja", template)
    written: dict[str, object] = {key: value for key, value in names.items() if value}
    written |= {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, "add_prefix_space": False}
    written["model_max_length"] = settings.get("model_max_length") or config.get("max_position_embeddings")
    write_json(staged / "tokenizer_config.json", written)
    ends = [built.token_to_id(text) for text in dict.fromkeys((names["eos_token"], published)) if text]
    return {
        "bos_token": names["bos_token"],
        "eos_token": names["eos_token"],
        "pad_token": names["pad_token"],
        "unk_token": names["unk_token"],
        "counts": counts,
        "ids": {key: built.token_to_id(text) for key, text in names.items() if text},
        "stops": ends,
    }


def _built(source: Path, settings: JsonObject, rows: int, staged: Path, changes: list[str]) -> tuple[Tokenizer, dict[str, int]]:
    """tokenizer.json as it was published, or made from the ranks of a `*.tiktoken` file, and how many tokens it has of which kind."""
    from tokenizers import Tokenizer

    files = sorted(source.glob("*.tiktoken"))
    if (source / "tokenizer.json").is_file():
        built = Tokenizer.from_file(str(source / "tokenizer.json"))
        count = built.get_vocab_size()
        link(source / "tokenizer.json", staged / "tokenizer.json")
        counts = {"tokens": count, "placeholders": 0}
    elif len(files) == 1:
        if settings.get("extra_vocab_file"):
            raise UserError(f"{source / 'tokenizer_config.json'}: extra_vocab_file is not supported; choose a checkpoint without it")
        ranks = tokenizer.read_ranks(files[0])
        count = len(ranks) + len(tokenizer.SPECIAL)
        built = tokenizer.build(ranks, rows=rows)
        write_bytes(staged / "tokenizer.json", built.to_str(pretty=False).encode())
        counts = {"ranks": len(ranks), "special": len(tokenizer.SPECIAL), "tokens": count, "placeholders": max(0, rows - count)}
        changes.append(f"tokenizer.json made from {files[0].name}: {len(ranks)} ranks and {len(tokenizer.SPECIAL)} special tokens")
    else:
        raise UserError(f"{source}: has {len(files) or 'no'} *.tiktoken and no tokenizer.json; fetch the model again")
    if count > rows:
        raise UserError(
            f"{source}: the tokenizer has {count} tokens and the embedding {rows} rows; fetch tokenizer and weights of one revision"
        )
    if count < rows:
        padding = f"{rows - count} of {rows} embedding rows belong to no token"
        changes.append(f"note: {padding}" + ("; they got placeholder tokens" if counts["placeholders"] else ""))
    return built, counts


def _template(source: Path, settings: JsonObject, changes: list[str]) -> str:
    """The published chat template, or ChatML where none is."""
    jinja = source / "chat_template.jinja"
    template = jinja.read_text() if jinja.is_file() else settings.get("chat_template")
    if isinstance(template, str):
        return template
    changes.append("chat template: none is published, ChatML is used")
    return CHATML


def _generation(source: Path, config: ModelConfig, special: SpecialTokens, staged: Path, changes: list[str]) -> None:
    """generation_config.json: a response ends at the template's end of turn, at the published end token, and at what it names."""
    file = source / "generation_config.json"
    generation: JsonObject = {}
    if file.is_file():
        try:
            generation = _optional(file)
        except UserError:
            changes.append("generation_config.json: is no JSON, made anew")
    ends = [*special["stops"], *_listed(generation.get("eos_token_id")), *_listed(config.get("eos_token_id"))]
    ends = [end for end in dict.fromkeys(ends) if isinstance(end, int) and 0 <= end < config["vocab_size"]]
    generation.pop("_from_model_config", None)
    generation |= {"eos_token_id": ends, "pad_token_id": special["ids"]["pad_token"], "bos_token_id": special["ids"].get("bos_token")}
    write_json(staged / "generation_config.json", {key: value for key, value in generation.items() if value is not None})
    special["stops"] = ends
    ids = special["ids"]
    wanted: dict[Literal["eos_token_id", "pad_token_id", "bos_token_id"], int | None] = {
        "eos_token_id": ids["eos_token"],
        "pad_token_id": ids["pad_token"],
        "bos_token_id": ids.get("bos_token"),
    }
    for key, value in wanted.items():
        if config.get(key) != value:
            changes.append(f"config.json: {key} {config.get(key)} → {value}")
            config[key] = value


def _write_weights(source: Path, have: Mapping[str, Tensor], staged: Path) -> None:
    """Files that change are written anew, the others linked."""
    files: dict[str, dict[str, Tensor]] = {}
    for name, tensor in have.items():
        files.setdefault(tensor.path.name, {})[name] = tensor
    for file, content in files.items():
        if weights.read_header(source / file) != content:
            weights.write(staged / file, content)
        elif source != staged:
            link(source / file, staged / file)
    if len(files) > 1 or "model.safetensors" not in files:
        weights.write_index(staged, files)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str | None:
    """A special token given as text or as transformers' object with `content`."""
    return value.get("content") if isinstance(value, dict) else value


def _optional(path: Path) -> JsonObject:
    if not path.is_file():
        return {}
    value = read_json(path)
    return value if isinstance(value, dict) else {}
