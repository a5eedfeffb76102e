"""The image of a job over several nodes, handed from the workflow to the steps that start it."""

from __future__ import annotations

import os

IMAGE, ARGUMENTS = "MATHRL_NODE_IMAGE", "MATHRL_NODE_IMAGE_ARGUMENTS"


def remember(image: str, arguments: str) -> None:
    """Write image and Apptainer's arguments into the environment that jobs inherit; empty: no container."""
    os.environ |= {IMAGE: image, ARGUMENTS: arguments}


def remembered() -> tuple[str, str]:
    """Image and arguments as `remember` left them."""
    return os.environ.get(IMAGE, ""), os.environ.get(ARGUMENTS, "")
