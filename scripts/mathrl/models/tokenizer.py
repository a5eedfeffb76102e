"""`*.tiktoken` ranks → a fast `tokenizer.json` that tokenises exactly as the published remote code does.

The remote code (Qwen's first tokenizer) brings the text into NFC, cuts out special tokens, splits the rest by a regular expression
and merges bytes by rank; a piece that is a token as a whole is taken at once. `tokenizers` does the same once it has merges
instead of ranks. A token is made from one pair of parts at most: as long as no merge crosses its ends, the merges inside come in
the same order wherever it stands, so the two parts that are left last are always the same. This holds for any table of ranks.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.core.files import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# FlagAI-Open/OpenSeek, hf_openseek/deepseek_v3/tokenization_qwen.py
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205)))


def read_ranks(path: Path) -> dict[bytes, int]:
    """Token → rank, in the order of ranks.

    Raises:
        UserError: a line that is not `base64 rank`, a rank or token given twice, a gap, or one of the 256 bytes missing.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line:
            continue
        try:
            text, digits = line.split()
            token = base64.b64decode(text, validate=True)
            if token in ranks:
                raise ValueError("a token for the second time")
            ranks[token] = int(digits)
        except (ValueError, binascii.Error) as error:
            raise UserError(f"{path}: line {number} is not 'base64 rank' ({error}); fetch the model again") from None
    ordered = dict(sorted(ranks.items(), key=lambda item: item[1]))
    for expected, rank in enumerate(ordered.values()):
        if rank != expected:
            raise UserError(f"{path}: rank {expected} is missing or given twice; ranks must run from 0 to {len(ranks) - 1}")
    if lacking := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise UserError(f"{path}: has no token for the byte {lacking[0]}; it is cut off, fetch the model again")
    return ordered


def _last_parts(token: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """A token's parts before the merge that completes it: pairs are merged lowest rank first, leftmost of equals."""
    parts = [token[i : i + 1] for i in range(len(token))]
    none = len(ranks)
    while len(parts) > 2:
        rank, place = min((ranks.get(parts[i] + parts[i + 1], none), i) for i in range(len(parts) - 1))
        if rank == none:
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def merges(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The pair that makes each token, in the order of ranks; tokens that no merging makes have none."""
    pairs = []
    for token in ranks:
        splits = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        if len(splits) > 1:  # with one split only there is nothing to choose
            parts = _last_parts(token, ranks)
            splits = [(parts[0], parts[1])] if len(parts) == 2 else []
        pairs += splits
    return pairs


def byte_letters() -> dict[int, str]:
    """The printable stand-in of each byte in `tokenizer.json` (GPT-2's table, which the ByteLevel parts of `tokenizers` use)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def build(ranks: Mapping[bytes, int], special: tuple[str, ...] = SPECIAL, rows: int | None = None) -> Tokenizer:
    """A fast tokenizer: ranks first, then the special tokens.

    `rows`: rows of the model's embedding. Rows beyond the tokens get placeholder tokens, because verl's trainer and vLLM give
    the same probabilities only if the tokenizer is as long as the embedding.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    letters = byte_letters()

    def spell(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    vocabulary = {spell(token): rank for token, rank in ranks.items()}
    pairs = [(spell(first), spell(second)) for first, second in merges(ranks)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    unused = [f"<|unused_{i}|>" for i in range((rows or 0) - len(ranks) - len(special))]
    # normalized: looked for after NFC, as the remote code does it
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=True) for text in (*special, *unused)])
    return tokenizer
