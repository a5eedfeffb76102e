"""uv, which installs, is told what pip is configured with."""

import importlib.util

import pytest


@pytest.fixture
def install(root):
    """The installer as a module."""
    spec = importlib.util.spec_from_file_location("install", root / "envs/install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_environment_counts_more_than_files(install):
    listing = ":env:.index-url='https://a'\n:env:.no-input='1'\nglobal.index-url='https://b'\nglobal.timeout='9'\ninstall.timeout='60'\n"
    assert install.pip_settings(listing) == {"index-url": "https://a", "no-input": "1", "timeout": "60"}


@pytest.mark.parametrize(
    ("settings", "options", "variables"),
    [
        ({}, [], {}),
        ({"index-url": "https://a/simple"}, ["--default-index", "https://a/simple"], {}),
        ({"extra-index-url": "https://b\nhttps://c"}, ["--index", "https://b", "--index", "https://c"], {}),
        ({"find-links": "wheels", "no-index": "true"}, ["--no-index", "--find-links", "wheels"], {}),
        (
            {"trusted-host": "a", "cert": "c.pem", "timeout": "60"},
            ["--allow-insecure-host", "a"],
            {"SSL_CERT_FILE": "c.pem", "UV_HTTP_TIMEOUT": "60"},
        ),
    ],
    ids=["nothing", "index", "more-indexes", "no-index", "network"],
)
def test_settings_of_pip_reach_uv(install, settings, options, variables):
    assert install.uv_options(settings) == (["--index-strategy", "unsafe-best-match", *options], variables)
