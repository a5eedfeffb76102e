"""The page of a study at work: pace, due time, half-written files, and how it loads itself again."""

import os
import re
import shutil
import time

import pytest
from mathrl.config.experiment import Configuration
from mathrl.core.files import write_json
from mathrl.report import progress
from support.events import write_events
from support.report_world import configuration, render

DAMAGED = ("results/audit.json", "results/figures/curves.json", "results/data/matches.parquet", "results/grpo/main/data.json")
LAST = 1_800_000_000  # seconds since 1970 of the last step


@pytest.fixture(scope="module")
def at_work(world, tmp_path_factory):
    """grpo trains, dapo's first stage starts, its second waits; three files are cut off as if they were written at this moment."""
    folder = tmp_path_factory.mktemp("work") / "study"
    shutil.copytree(world, folder)
    shutil.rmtree(folder / "results/figures")
    for run, stage in (("grpo", "main"), ("dapo", "short"), ("dapo", "long")):
        (folder / f"results/{run}/{stage}/manifest.json").unlink()
    logs = folder / "checkpoints/grpo/main/abc/tensorboard"
    steps = [(step, "timing_s/step", 500.0 if step <= 20 else 34.0) for step in range(1, 41)]
    steps += [(step, "timing_s/testing", 20.0) for step in (25, 40)] + [(40, "timing_s/save_checkpoint", 9.0)]
    made = write_events(logs, [*steps, *((step, "critic/score/mean", 0.5) for step in range(1, 41))])
    made.write_bytes(made.read_bytes()[:-3])  # the last record is cut off
    os.utime(made, (LAST, LAST))
    (folder / "checkpoints/dapo/short/def/tensorboard").mkdir(parents=True)
    write_json(folder / "results/grpo/main/forecast.json", {"steps": 140, "hours": 1.25})
    (folder / "results/dapo/short/forecast.json").write_text('{"steps": 1')
    for path in ("grpo/finalist/eval/toy.json", "dapo/finalist/samples/other.jsonl.zst"):
        whole = (folder / "results" / path).read_bytes()
        (folder / "results" / path).write_bytes(whole[: len(whole) // 2])
    for path in DAMAGED:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b'{"steps": [{"st')
    return folder


def test_pace_and_due_time(at_work):
    rows = progress.gather(at_work / "results", Configuration.model_validate(configuration()))
    grpo, short, long = rows
    found = (grpo["done"], grpo["steps"], grpo["pace"], grpo["forecast"])
    assert found == (40, 140, 36.0, 1.25), "the first 20 steps are no part of the pace, validations are, and a save is part of its step"
    assert grpo["hours"] == 1.0 and grpo["due"] == progress.moment(LAST + 3600), "100 steps of 36 s"
    assert (short["state"], short["due"], short["forecast"]) == ("starts", None, None), "a half-written forecast is none"
    assert (long["state"], long["done"]) == ("waits", 0)


def test_half_written_files_are_missing_and_the_page_says_when_it_was_made(at_work):
    page = render(at_work, "so-far.html", live=True)
    missing = re.search(r'<div class="missing">.*?</div>', page, re.DOTALL)[0]
    for path in ("grpo/finalist/eval/toy.json", "dapo/finalist/samples/other.jsonl.zst", "grpo/main/manifest.json"):
        assert path in missing
    assert [missing.count(f"a damaged file: {at_work / path} ") for path in DAMAGED] == [1] * len(DAMAGED), "a line each"
    assert "40 of 140" in page and progress.moment(LAST + 3600) in page
    assert re.search(r"as it was at \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)
    assert f'<noscript><meta http-equiv="refresh" content="{progress.REFRESH}"></noscript>' in page
    assert not list(at_work.glob("*.tmp*")), "written in one step"


def test_a_finished_page_never_loads_itself_again(world):
    page = (world / "report.html").read_text()
    assert 'http-equiv="refresh"' not in page and "data-refresh=" not in page


def test_an_open_page_loads_itself_again_but_not_under_a_reader_of_samples(at_work, browser):
    name, live = "again.html", f'data-refresh="{progress.REFRESH}"'
    page = render(at_work, name, live=True)
    (at_work / name).write_text(page.replace(live, 'data-refresh="2"'))
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]  # the place is reached at once, not by a long scroll
    browser.call("Emulation.setEmulatedMedia", features=still)
    browser.open(at_work / name, 1440, "#samples")
    browser.run("window.here = 1")
    time.sleep(4)
    assert browser.run("window.here") == 1, "samples are in view"
    (at_work / name).write_text(page.replace("At work: ", "Later: ").replace(live, 'data-refresh="0"'))
    browser.run("window.scrollTo({top: 0, behavior: 'instant'})")
    time.sleep(5)
    assert browser.run("document.title").startswith("Later: ")
    browser.call("Emulation.setEmulatedMedia", features=[])
