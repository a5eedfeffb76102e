"""The pages as a site: built strictly, nothing in it comes from another host, and a browser finds a page by a word."""

import os
import re
import subprocess
import time

import pytest
from support import browser
from support.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    mkdocs = ROOT / ".venv-driver/bin/mkdocs"
    if not mkdocs.exists():
        pytest.skip("mkdocs is not in .venv-driver: make env")
    folder = tmp_path_factory.mktemp("site")
    command = [mkdocs, "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return folder


def test_nothing_is_loaded_from_another_host(site):
    loaded = re.compile(
        r"""<(?:script|img|iframe)[^>]*\ssrc=["']?https?:[^>]*|<link[^>]*rel=["']?(?:stylesheet|preconnect)[^>]*https?:[^>]*"""
    )
    found = {str(page.relative_to(site)): loaded.findall(page.read_text()) for page in site.rglob("*.html")}
    assert len(found) > 10 and {page: urls for page, urls in found.items() if urls} == {}
    assert not (site / "hooks.py").exists() and not (site / "words.tsv").exists()


def test_a_block_says_what_it_needs(site):
    assert '<span class="filename">needs a GPU</span>' in (site / "how-to/cluster.html").read_text()


@pytest.mark.skipif(browser.chromium() is None, reason="no Chromium")
def test_a_browser_finds_a_page_from_a_file(site, tmp_path):
    window = browser.Browser(tmp_path)
    try:
        window.open(site / "index.html", 1280)
        window.run("document.querySelector('.md-search__input').focus()")
        window.call("Input.insertText", text="walltime")
        until = time.monotonic() + browser.PATIENCE
        while not window.run("document.querySelectorAll('.md-search-result__item').length") and time.monotonic() < until:
            time.sleep(0.2)
        assert "Stop" in window.run("document.querySelector('.md-search-result__list').innerText")
        window.open(site / "reference/training.html", 390)
        assert window.run("document.documentElement.scrollWidth") <= 390
        assert window.messages == []
    finally:
        window.close()
