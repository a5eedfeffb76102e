"""The demo's base model: a small Llama trained from scratch on the text of `mathrl.demo.world`, saved as any Hugging Face directory."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mathrl.core.files import replaced_directory
from mathrl.demo import world
from mathrl.demo.muon import Muon

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY = 512
THREADS = 2  # however many cores there are: a sum may be divided among threads and round by their number
BATCH = 16  # sequences per optimizer step; at this size many small steps learn more than few large ones


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE in which a number below 100 is one token, so that arithmetic is a table and not a spelling."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d{1,2}| ?[^\s\d]+|\s"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *(str(n) for n in range(100) for _ in range(len(texts)))], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )


def new_model(vocabulary: int, pad: int, eos: int) -> LlamaForCausalLM:
    """A Llama with random weights, about half a million parameters."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            intermediate_size=352,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=eos,
            pad_token_id=pad,
            dtype="float32",
        )
    )


def _pad(rows: list[tuple[list[int], list[int]]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (prompt ids, response ids) → (ids, labels), each (rows, longest); only response tokens are targets (else −100)."""
    width = max(len(p) + len(r) for p, r in rows)
    ids = torch.tensor([p + r + [pad] * (width - len(p) - len(r)) for p, r in rows])
    labels = torch.tensor([[-100] * len(p) + r + [-100] * (width - len(p) - len(r)) for p, r in rows])
    return ids, labels


def batches(
    tokenizer: PreTrainedTokenizerFast,
    rng: random.Random,
    steps: int,
    taken: set,
    instruction: str | None,
    worked: float,
    boxed: float,
    habits: float,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield `steps` batches (ids, labels) of problems outside `taken` with responses.

    With an `instruction` the prompt is a chat turn; without, the bare problem: the same text in half the tokens.
    """
    for _ in range(steps):
        rows: list[tuple[list[int], list[int]]] = []
        while len(rows) < BATCH:
            problem = world.draw(rng, rng.choice(("symbols", "words")))
            if problem.key in taken or problem.twin in taken:
                continue
            prompt = problem.text + "\n"
            if instruction is not None:
                messages = [{"role": "user", "content": instruction + problem.text}]
                prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            response = world.write_response(rng, problem, worked, boxed, habits)
            ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, response)]
            rows.append((ids[0], [*ids[1], tokenizer.eos_token_id]))
        yield _pad(rows, tokenizer.pad_token_id)


def train(model: LlamaForCausalLM, data: Iterator, steps: int, learning_rate: float, name: str) -> None:
    """Muon for the matrices (four times fewer steps than AdamW here), AdamW for the rest; linear warm-up and decay."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [
        Muon(matrices, lr=learning_rate),
        torch.optim.AdamW(others, lr=learning_rate, foreach=True),
    ]
    for step, (ids, labels) in enumerate(data, 1):
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = learning_rate * min(1.0, step / 20, max(0.02, 1.2 * (1 - step / steps)))
        hidden = model.model(ids).last_hidden_state[:, :-1]
        target = labels[:, 1:]
        chosen = target != -100  # the vocabulary is projected only where a token is a target
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[chosen]), target[chosen])
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 100 == 0 or step == steps:
            print(f"{name}: step {step} of {steps}, loss {loss.item():.3f}", file=sys.stderr, flush=True)


def make(
    *,
    instruction: str,
    seed: int,
    items: int,
    pretraining_steps: int,
    supervised_steps: int,
    worked: float,
    boxed: float,
    habits: float,
    out: Path,
) -> None:
    """Train the base model and write it to the directory `out` (replaced as a whole). Bit-identical on one machine for one seed."""
    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)
    rng = random.Random(seed)
    taken = world.make_world(seed, problems=0, items=items, leaks=0)["keys"]
    corpus = [instruction + world.draw(rng, kind).text for kind in ("symbols", "words") for _ in range(1000)]
    corpus += [world.write_response(rng, world.draw(rng, "words"), 0.5, 0.5, habits) for _ in range(2000)]
    tokenizer = train_tokenizer(corpus)
    # verl and vLLM index one table: a tokenizer shorter than the model's vocabulary makes their probabilities differ.
    model = new_model(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id)
    first = batches(tokenizer, rng, pretraining_steps, taken, instruction=None, worked=1.0, boxed=0.0, habits=0.0)
    train(model, first, pretraining_steps, 4e-3, "worked problems")
    second = batches(tokenizer, rng, supervised_steps, taken, instruction, worked, boxed, habits)
    train(model, second, supervised_steps, 2e-3, "chat")
    model.generation_config.temperature = None
    with replaced_directory(out) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
