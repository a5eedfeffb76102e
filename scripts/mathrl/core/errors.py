"""Bad input in one clear line. It lies apart from `mathrl.core.files`, so that the supervisor of every job starts quickly."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input. The message is one line that names the file, the key and the remedy; scripts exit with code 2."""


def printable(text: str) -> str:
    """The text for a terminal: what could command it, or turn its lines round, becomes �."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def run_main(main: Callable[[], int | None]) -> None:
    """Run an entry script's `main` and turn `UserError` into one line on stderr and exit code 2."""
    try:
        code = main()
    except UserError as error:
        print(f"error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code or 0)
