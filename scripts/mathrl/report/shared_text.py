"""What two texts have in common, as pieces that a page can mark."""

from __future__ import annotations

import difflib
import re

Pieces = list[tuple[str, bool]]  # (text, is it shared)


def shared_runs(first: str, second: str, most: int, least: int = 3) -> tuple[Pieces, Pieces]:
    """Both texts, cut after `most` characters, in pieces; shared are runs of at least `least` words that differ in case and
    punctuation only. The pieces of a text joined are the text."""
    texts = (first[:most], second[:most])
    spans = [[match.span() for match in re.finditer(r"\S+", text)] for text in texts]
    words = [[_plain(text[begin:end]) for begin, end in places] for text, places in zip(texts, spans, strict=True)]
    matcher = difflib.SequenceMatcher(None, words[0], words[1], autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size >= least]
    sides: list[Pieces] = []
    for side, text in enumerate(texts):
        done, pieces = 0, []
        for block in blocks:
            place = block.b if side else block.a
            begin, end = spans[side][place][0], spans[side][place + block.size - 1][1]
            pieces += [(text[done:begin], False), (text[begin:end], True)]
            done = end
        sides.append([piece for piece in [*pieces, (text[done:], False)] if piece[0]])
    return sides[0], sides[1]


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).casefold() or word
