"""What kernels are compiled with at run time on a host with GPUs: Triton asks for a C compiler and the headers of its Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from mathrl.core.errors import UserError

COMPILERS = ("gcc", "clang")  # that Triton looks for, where CC names none


def check(python: str | os.PathLike = sys.executable) -> None:
    """Refuse a host on which Triton compiles nothing, as vLLM would after a minute.

    Args:
        python: the interpreter of the environment that jobs run in.

    Raises:
        UserError: no C compiler, or no Python.h.
    """
    wanted = [os.environ["CC"]] if "CC" in os.environ else COMPILERS
    if not any(map(shutil.which, wanted)):
        raise UserError(
            f"{' and '.join(wanted) or 'CC is empty'}: no such compiler here, and kernels are compiled at run time; install gcc and g++"
        )
    header = Path(_headers(python)) / "Python.h"
    if not header.exists():
        raise UserError(
            f"{header}: no such file, and kernels are compiled with it at run time; install Python's headers "
            "(on Debian or Ubuntu: python3-dev)"
        )


def _headers(python: str | os.PathLike) -> str:
    """Where an interpreter has its headers."""
    if str(python) == sys.executable:
        return sysconfig.get_path("include")
    code = "import sysconfig; print(sysconfig.get_path('include'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
