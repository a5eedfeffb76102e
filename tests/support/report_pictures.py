"""docs/images/report-*.png: the demo's study report as a browser shows it.

Written anew, after a demo, by: PYTHONPATH=scripts:tests python -m support.report_pictures results/report.html
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from support.browser import Browser, choose

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
WIDE, HEIGHT, NARROW, PAPER = 1440, 1180, 390, 794  # pixels; paper: A4 at 96 per inch


def shot(browser: Browser, folder: Path) -> Image.Image:
    """What the window shows."""
    browser.picture(folder / "shot.png", whole=False)
    return Image.open(io.BytesIO((folder / "shot.png").read_bytes())).convert("RGB")


def write(picture: Image.Image, name: str) -> None:
    """In 256 colours, which is a fifth of the size."""
    picture.quantize(256, dither=Image.Dither.NONE).save(IMAGES / f"report-{name}.png", optimize=True)


def main(report: Path) -> None:
    """Write all four."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        browser = Browser(folder)
        try:
            browser.call("Emulation.setScrollbarsHidden", hidden=True)
            browser.open(report, WIDE, height=HEIGHT)
            write(shot(browser, folder), "wide")
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
            write(shot(browser, folder), "dark")
            browser.call("Emulation.setEmulatedMedia", features=[])
            browser.open(report, WIDE, "#samples", HEIGHT)
            choose(browser, status="rightfalse")
            browser.run("document.getElementById('samples').scrollIntoView({behavior: 'instant'})")
            browser.run("new Promise(done => setTimeout(done, 300))")
            write(shot(browser, folder), "samples")
            browser.open(report, NARROW, height=1150)
            narrow = shot(browser, folder)
            browser.open(report, PAPER, height=1150)
            browser.call("Emulation.setEmulatedMedia", media="print")
            paper = shot(browser, folder)
        finally:
            browser.close()
    both = Image.new("RGB", (narrow.width + 40 + paper.width, max(narrow.height, paper.height)), "#8a919c")
    both.paste(narrow, (0, 0))
    both.paste(paper, (narrow.width + 40, 0))
    write(both, "narrow")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
