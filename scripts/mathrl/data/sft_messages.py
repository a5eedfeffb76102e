"""Solutions of training problems as the dialogues that verl's SFT dataset reads."""

from __future__ import annotations

from pathlib import Path

from mathrl.core import parquet
from mathrl.core.files import UserError, atomic_path


def write_messages(train_file: Path, solutions: Path, out: Path) -> int:
    """Join the train file's problems with their solutions into the column `messages` that verl's SFT dataset reads.

    Args:
        train_file: verl's columns; `prompt` is what the model sees, `extra_info.original_problem` names the problem.
        solutions: parquet with the columns `problem` and `solution`; several solutions of a problem are several rows.
        out: parquet to write, in the order of the train file.

    Returns:
        The number of rows.

    Raises:
        UserError: a missing file or column, or no solution of any training problem.
    """
    import polars

    if not solutions.is_file():
        raise UserError(f"{solutions}: no such file; training.solutions names a parquet with the columns problem and solution")
    given = parquet.read(solutions)
    for column in ("problem", "solution"):
        if column not in given.columns:
            raise UserError(f"{solutions}: the column '{column}' is missing; it has {', '.join(given.columns)}")
    problems = parquet.read(train_file).with_columns(
        polars.col("extra_info").struct.field("original_problem").alias("problem"), polars.int_range(polars.len()).alias("place")
    )
    joined = problems.join(given.select("problem", "solution"), on="problem", how="inner", maintain_order="left_right")
    joined = joined.filter(polars.col("solution").str.strip_chars().str.len_chars() > 0)
    if not len(joined):
        raise UserError(f"{solutions}: no training problem has a solution there; `problem` must be the training problem's text")
    rows = [
        [*({"role": turn["role"], "content": turn["content"]} for turn in prompt), {"role": "assistant", "content": solution}]
        for prompt, solution in zip(joined["prompt"].to_list(), joined["solution"].to_list(), strict=True)
    ]
    with atomic_path(out) as temporary:
        polars.DataFrame({"messages": rows}).write_parquet(temporary)
    return len(rows)


def too_long(messages: Path, model: Path, limit: int) -> int:
    """How many rows have more than `limit` tokens with their chat template: verl's SFT dataset cuts these off at the right."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    found = 0
    for part in parquet.read(messages, columns=["messages"]).iter_slices(1000):
        texts = [tokenizer.apply_chat_template(turns, tokenize=False) for turns in part["messages"].to_list()]
        found += sum(len(tokens) > limit for tokens in tokenizer(texts, add_special_tokens=False)["input_ids"])
    return found
