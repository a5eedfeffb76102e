"""Compiled kernels are kept for this user, these packages and this kind of GPU, and for nobody else."""

import os
import stat

import pytest
from mathrl.core.files import UserError
from mathrl.execution import caches

PACKAGES = {"torch": "2.11.0", "vllm": "0.24.0"}


def test_caches_are_private_and_stay(tmp_path):
    first = caches.variables(PACKAGES, ["NVIDIA H100"], os.getuid(), tmp_path / "compiled")
    assert set(first) == {"TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "VLLM_CACHE_ROOT", "FLASHINFER_WORKSPACE_BASE"}
    assert len(set(first.values())) == 4
    for place in first.values():
        assert stat.S_IMODE(os.stat(os.path.dirname(place)).st_mode) == 0o700 and os.path.isdir(place)
    assert caches.variables(PACKAGES, ["NVIDIA H100"] * 6, os.getuid(), tmp_path / "compiled") == first


@pytest.mark.parametrize(
    ("packages", "gpus", "user"),
    [(PACKAGES | {"torch": "2.12.0"}, ["NVIDIA H100"], 0), (PACKAGES, ["NVIDIA A100"], 0), (PACKAGES, ["NVIDIA H100"], 1)],
    ids=["packages", "gpu", "user"],
)
def test_nothing_is_shared_with_others(tmp_path, packages, gpus, user):
    first = caches.variables(PACKAGES, ["NVIDIA H100"], 0, tmp_path)
    assert not set(first.values()) & set(caches.variables(packages, gpus, user, tmp_path).values())


def test_a_folder_that_somebody_else_made_is_refused(tmp_path):
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    place = os.path.dirname(caches.variables(PACKAGES, [], 0, tmp_path)["TRITON_CACHE_DIR"])
    os.chown(place, 12345, 12345)
    with pytest.raises(UserError):
        caches.variables(PACKAGES, [], 0, tmp_path)


def test_a_link_that_leads_nowhere_is_one_line(tmp_path):
    (tmp_path / "compiled").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"compiled: no folder for compiled kernels can be made here .*remove what is there"):
        caches.variables(PACKAGES, [], os.getuid(), tmp_path / "compiled")


def test_what_our_files_import_is_remembered_by_study_and_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = caches.imports()
    assert mine.is_relative_to(tmp_path / ".snakemake") and not mine.parent.exists(), "it is named, not made"
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert caches.imports().parent == mine.parent and caches.imports() != mine
