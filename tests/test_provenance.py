"""What a result says of the image that made it."""

import pytest
from mathrl import provenance

VARIABLES = ("MATHRL_IMAGE", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")


@pytest.mark.parametrize(
    ("environment", "said", "reason"),
    [
        ({}, "no container", "on the host"),
        ({"MATHRL_IMAGE": "lock sha256:ab", "APPTAINER_CONTAINER": "/x/cpu.sif"}, "lock sha256:ab", "our image names its lock"),
        ({"APPTAINER_CONTAINER": "/x/other.sif"}, "other.sif, not built from a lock of ours", "somebody else's image is no host"),
    ],
)
def test_image(environment, said, reason, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert provenance.image() == said, reason
