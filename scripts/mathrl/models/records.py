"""Records of model directories, of exports, and of what requests to a server cost."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ModelConfig(TypedDict, total=False):
    """config.json of a model in transformers' layout, as far as we read it; a published one may lack any key and have more."""

    model_type: str
    architectures: list[str]
    auto_map: dict[str, str]
    quantization_config: dict[str, object]
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    tie_word_embeddings: bool
    attention_bias: bool
    eos_token_id: int | list[int] | None
    bos_token_id: int | None
    pad_token_id: int | None
    num_nextn_predict_layers: int
    moe_intermediate_size: int
    n_routed_experts: int
    n_shared_experts: int
    num_experts_per_tok: int
    first_k_dense_replace: int
    kv_lora_rank: int
    q_lora_rank: int | None
    qk_rope_head_dim: int
    qk_nope_head_dim: int
    v_head_dim: int
    n_group: int
    topk_group: int
    topk_method: str


class Prepared(TypedDict):
    """What was done to a published model. changes: a line each. parameters, tensors: how many.

    vocabulary: rows of the embedding and counts of tokens. end_of_response: token ids.
    """

    layout: str
    changes: list[str]
    parameters: NotRequired[int]
    tensors: NotRequired[int]
    vocabulary: NotRequired[dict[str, int]]
    special_tokens: NotRequired[dict[str, str | None]]
    end_of_response: NotRequired[list[int]]


class SpecialTokens(TypedDict):
    """Special tokens of a prepared tokenizer. counts: of tokens. ids: by the names here. stops: ids that end a response."""

    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    unk_token: str | None
    counts: dict[str, int]
    ids: dict[str, int]
    stops: list[int]


class Spent(TypedDict):
    """Requests, tokens of prompts and answers, and money in the currency of the prices."""

    requests: int
    tokens: int
    money: float


class AnswerRow(TypedDict):
    """An answer of a server as it is kept. key: hash of its request. served_by: the model as the server called it."""

    key: str
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    served_by: str


class AccountRow(TypedDict):
    """A line of an account. kind: `reserve`, `answer` or `failed`. id: of the reservation. tokens, money: at most, or paid."""

    kind: str
    id: str
    tokens: int
    money: float
    entry: NotRequired[str]
    key: NotRequired[str]
    answer: NotRequired[AnswerRow]
