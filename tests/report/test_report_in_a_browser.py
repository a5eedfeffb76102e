"""The study report in headless Chromium: filters, links, keyboard, paper, no JavaScript, axe-core; nothing hostile runs."""

import json

import pytest
from support.browser import CHOOSE, SETTLED, axe_core, choose
from support.report_world import call


@pytest.mark.parametrize("width", [390, 1440])
def test_in_a_browser(world, browser, width):
    browser.messages.clear()
    browser.open(world / "report.html", width)
    assert browser.run("document.documentElement.scrollWidth") <= width, "no horizontal scroll"
    assert browser.run("typeof window.stolen") == "undefined", "no script of a response ran"
    assert browser.run("document.querySelectorAll('#list article').length") == 8
    assert "window.stolen" in browser.run("document.querySelector('#list .response').textContent"), "shown as text"
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.run("document.documentElement.scrollWidth") <= width, "nor with everything unfolded"
    assert browser.messages == []


TITLES = "[...document.querySelectorAll('#list .head span')].map(s => s.textContent.split(' ')[1])"


def test_the_browser_pairs_base_and_run(world, browser):
    """What the filters show is what the eval JSONs say."""
    from mathrl.report.changes import kinds

    base, run = (json.loads((world / f"results/{model}/finalist/eval/toy.json").read_text()) for model in ("base", "grpo"))
    browser.open(world / "report.html", 1440)
    choose(browser, benchmark="toy")
    for kind in ("fixed", "broken", "both right", "both wrong"):
        choose(browser, change=kind)
        wanted = [key for key, found in kinds(base, run).items() if found == kind]
        assert browser.run(TITLES) == wanted[:8], kind
        told = browser.run("document.getElementById('shown').textContent")
        assert told.endswith(f"of {len(wanted)} problems" if wanted else "no problem fits these filters")
    choose(browser, change="", sort="length")
    assert browser.run(TITLES)[0] == "toy-19", "20 + i tokens"
    choose(browser, sort="", text="no such words")
    assert browser.run("document.getElementById('shown').textContent") == "no problem fits these filters"
    choose(browser, text="19 + 1 = 20")
    assert browser.run(TITLES) == ["toy-19"], "words of responses are found"


def test_next_keeps_the_place_and_a_problem_has_its_link(world, browser):
    browser.open(world / "report.html", 1440)
    browser.run("document.getElementById('more-below').click()")
    browser.run(SETTLED)
    assert browser.run(TITLES)[0] == "toy-8"
    assert browser.run("document.activeElement === document.querySelector('#list article')"), "the keyboard goes on at its first problem"
    assert 0 <= browser.run("document.querySelector('#list article').getBoundingClientRect().top") < 120, "which is in view"
    choose(browser, second="dapo")
    assert browser.run(TITLES)[0] == "toy-8", "another run, the same problems"
    link = browser.run("document.querySelectorAll('#list article .head a')[2].hash")
    browser.call("Page.navigate", url="about:blank")
    browser.open(world / "report.html", 1440, link)
    assert browser.run(TITLES) == ["toy-10"] and browser.run("document.getElementById('f-second').value") == "dapo"
    browser.run("document.querySelector('[data-preset=\"\"]').click()")
    browser.run(SETTLED)
    assert len(browser.run(TITLES)) == 8


def test_a_page_without_javascript_is_readable_and_has_no_dead_controls(world, browser):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(world / "report.html", 1440)
        seen = "[...document.querySelectorAll('button, select, input')].filter(e => e.offsetParent !== null).length"
        assert browser.run(seen) == 0
        assert browser.run("document.querySelectorAll('#list article .response').length") >= 2
        assert "window.stolen" in browser.run("document.querySelector('#list .response').textContent")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_kept_rollouts_have_filters(world, browser):
    browser.open(world / "report.html", 1440)
    pick = f"({CHOOSE})"
    assert browser.run("document.querySelectorAll('#r-list article').length") == 2, "grpo's, of one step"
    browser.run(f"{pick}({{'r-run': 'dapo'}}).then(() => new Promise(done => setTimeout(done, 200)))")
    steps = browser.run("[...document.querySelectorAll('#r-step option')].map(o => o.textContent).join(' ')")
    assert steps == "all 10 70", "the second stage's step 10 comes after the first's sixty"
    for verdict, count in (("right", 2), ("wrong", 0), ("", 4)):
        browser.run(f"{pick}({{'r-verdict': '{verdict}'}}).then(() => new Promise(done => setTimeout(done, 100)))")
        assert browser.run("document.querySelectorAll('#r-list article').length") == count, verdict
    assert "gold answer: 1" in browser.run("document.querySelector('#r-list').textContent")


def test_axe_finds_nothing(world, browser):
    """Each page at each width, and the dark scheme once: what it changes, colours, does not depend on the width."""
    axe = axe_core()
    if axe is None:
        pytest.skip("no axe-core: npm install --prefix .npm axe-core, or MATHRL_AXE=FILE")
    flags = ["--results", world / "results", "--models", "base", "grpo", "--protocols", "finalist", "--benchmarks", "toy", "other"]
    call("tabulate_scores.py", *flags, "--out", world / "axe")
    seen = [("report.html", width, "light") for width in (390, 768, 1440)]
    for page, width, scheme in [*seen, ("report.html", 768, "dark"), ("axe.html", 390, "light")]:
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(world / page, width)
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        browser.run(axe.read_text() + ";0")
        told = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', ')))"
        assert browser.run(told) == [], (page, width, scheme)
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_print_cuts_no_column(world, browser):
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        browser.open(world / "report.html", 703)  # A4 less its margins, in CSS pixels
        assert browser.run("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth + 1)")
        assert browser.run("document.documentElement.scrollWidth") <= 703
        assert browser.run("document.getElementById('browser').offsetParent === null"), "no controls on paper"
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


PLACE = """async (selector) => {
    const element = document.querySelector(selector);
    element.scrollIntoView({block: "center", behavior: "instant"});
    await new Promise(requestAnimationFrame);
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}"""


def click(browser, selector):
    """One click of the mouse on an element, where the reader sees it."""
    place = browser.run(f"({PLACE})({json.dumps(selector)})")
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
    browser.run(SETTLED)


def test_three_clicks(world, browser):
    """To what training broke, to the longest answers, and to a right answer with a false equality: two clicks from the top."""
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])  # no click amid a scroll
    for preset in ("change=broken&sort=change", "sort=length", "status=rightfalse"):
        browser.open(world / "report.html", 1440)
        click(browser, "nav a[href='#samples']")
        click(browser, f"[data-preset='{preset}']")
        kinds = browser.run("[...document.querySelectorAll('#list .head b')].map(b => b.textContent)")
        told = browser.run("[...document.querySelectorAll('#list select')].map(s => s.selectedOptions[0].textContent)")
        if preset.startswith("change"):
            assert set(kinds) <= {"broken"}
        elif preset == "sort=length":
            assert browser.run(TITLES)[0].endswith("-19")
        else:
            right = [text for text in told if "✓" in text and "false equality" in text]
            assert kinds and len(right) >= len(kinds), "each problem opens at such a sample"
            assert "2 + 2 = 5" in browser.run("document.querySelector('#list').textContent")


def test_the_keyboard_reaches_the_first_filter_in_few_stops(world, browser):
    browser.open(world / "report.html", 1440)
    for _ in range(2):
        _press(browser, "Tab")
    assert browser.run("document.activeElement.textContent") == "Skip to the samples"
    _press(browser, "Enter")
    stops = 0
    while browser.run("document.activeElement.id") != "f-first" and stops < 12:
        _press(browser, "Tab")
        stops += 1
    assert stops < 10, "five presets stand before it"


def _press(browser, key):
    code = {"Tab": 9, "Enter": 13}[key]
    text = {"text": "\r"} if key == "Enter" else {}
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)
