"""One small study and one browser for all tests of the study report."""

import pytest
from support.browser import Browser, chromium
from support.report_world import make_world, render


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    folder = make_world(tmp_path_factory.mktemp("world"))
    render(folder)
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if chromium() is None:
        pytest.skip("no Chromium is installed")
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()
