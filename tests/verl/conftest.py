"""verl is imported once for each accelerator, whatever is asked of it."""

from pathlib import Path

import pytest
from support.verl_process import VerlProcess


@pytest.fixture(scope="session")
def verl():
    """`verl("cpu").ask(program, *arguments)`: what the program prints."""
    started = {}

    def process(accelerator: str) -> VerlProcess:
        if accelerator not in started:
            started[accelerator] = VerlProcess(accelerator, Path(__file__).resolve().parents[2])
        return started[accelerator]

    yield process
    for one in started.values():
        one.end()
