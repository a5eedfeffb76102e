"""Names of sources that a configuration gives, held against those that the problems have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from mathrl.core.files import UserError


def check_sources(wanted: Sequence[str], found: Iterable[str], key: str) -> None:
    """Refuse the name of a source that no problem has: what remains would be filtered without a word.

    Raises:
        UserError: the first one, with the name that is nearest to it.
    """
    known = sorted(set(found))
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean '{near[0]}'?" if near else "."
            raise UserError(f"config: {key}: no problem is of the source '{name}'{guess} There are: {', '.join(known[:20]) or 'none'}")
