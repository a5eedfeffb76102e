"""Command-line arguments of the scripts that score with a verifier of the configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import mapping
from mathrl.verifiers.kept import Kept


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add verifiers, verifier, model, accelerator, gpu-memory-utilization, store."""
    parser.add_argument("--verifiers", required=True, help="the section `verifiers` of the configuration, JSON")
    parser.add_argument("--verifier", required=True, help="name of the one that scores")
    parser.add_argument("--model", type=Path, help="its Hugging Face directory, for kinds prm, likelihood and hf-prm")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--gpu-memory-utilization", type=float, default=0.9, help="share of a GPU for its engine (default 0.9)")
    parser.add_argument(
        "--store", type=Path, default=Path("checkpoints/verifiers"), help="scores kept between calls (default checkpoints/verifiers)"
    )


def verifier(args: argparse.Namespace) -> Kept:
    """The verifier that the arguments ask for."""
    from mathrl.config.verifiers import read
    from mathrl.verifiers import load

    section = read(mapping(args.verifiers, "--verifiers"), "--verifiers")
    return load.of_section(section, args.verifier, args.store, args.accelerator, args.model, args.gpu_memory_utilization)
