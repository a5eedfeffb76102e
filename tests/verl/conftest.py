"""verl is imported once for each accelerator, whatever is asked of it."""

from pathlib import Path

import pytest
from support.verl_process import VerlProcess


@pytest.fixture(scope="session")
def verl():
    """`verl("cpu").ask(program, *arguments)`: what the program prints."""
    started = {}

    def process(accelerator: str, bare: bool = False) -> VerlProcess:
        if (accelerator, bare) not in started:
            started[accelerator, bare] = VerlProcess(accelerator, Path(__file__).resolve().parents[2], bare)
        return started[accelerator, bare]

    yield process
    for one in started.values():
        one.end()
