"""What no problem and no solution holds: control characters, UTF-8 read as another charset, marks of chats and pages."""

from __future__ import annotations

import re
import unicodedata

LONGEST_SOLUTION = 20_000
"""Characters of a solution that is used."""
_MARKUP = re.compile(
    r"<\|[^<>]*\|>|\[/?INST\]|</?(?:script|img|iframe|a|div|span|s|sys|system|problem|answer|think)\b[^<>$]{0,80}>|https?://|www\.|```|!\["
)


def characters(text: str) -> str | None:
    """Which character no problem holds, or that it was read as another charset; None for a text that is sound."""
    for char in text:
        if char in "\n\t\r":
            continue
        if char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):
            return f"a character that no problem holds: U+{ord(char):04X}"
    return "UTF-8 that was read as another charset" if _is_misread(text) else None


def markup(text: str) -> str | None:
    """Which mark of a chat or a page stands in a text; None where there is none."""
    return f"markup of chats or pages: {found[0][:20]!r}" if (found := _MARKUP.search(text)) else None


def _is_misread(text: str) -> bool:
    """Was UTF-8 decoded as Latin-1 or Windows-1252 on the way (`Ã—` for `×`)?"""
    if text.isascii():
        return False
    for charset in ("cp1252", "latin-1"):
        pieces = re.findall(r"[^\x00-\x7f]{2,}", text)
        for piece in pieces:
            try:
                piece.encode(charset).decode("utf-8")
            except UnicodeError:
                continue
            return True
    return False
