"""Headless Chromium through its own debugging protocol: load a page at a width, look at it, run a line in it."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path


def chromium():
    """Path of an installed Chromium or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def axe_core():
    """The file of axe-core, which `npm install --prefix .npm axe-core` brings, or None."""
    places = [os.environ.get("MATHRL_AXE", ""), Path(__file__).parents[2] / ".npm/node_modules/axe-core/axe.min.js"]
    return next((Path(place) for place in places if str(place) and Path(place).is_file()), None)


PATIENCE = 60  # seconds for one command on a busy machine


class Browser:
    """A headless browser; `messages` collects what its console and its security policy say."""

    def __init__(self, profile):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        command = [chromium(), *flags, "--no-first-run", "--disable-background-networking", "about:blank"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        port_file = profile / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (port_file.is_file() and "\n" in port_file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        pages = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=20).read())
        from websockets.sync.client import connect

        page = next(page for page in pages if page["type"] == "page")
        self.stack = contextlib.ExitStack()
        self.socket = self.stack.enter_context(connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None, close_timeout=1))
        self.number = 0
        self.messages = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """One command and its answer; events on the way are noted."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = json.loads(self.socket.recv(timeout=max(0.1, deadline - time.monotonic())))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.note(answer)

    def note(self, event):
        kind, told = event.get("method"), event.get("params", {})
        if kind == "Runtime.consoleAPICalled":
            self.messages.append(f"console {told['type']}: {[a.get('value') for a in told['args']]}")
        elif kind == "Runtime.exceptionThrown":
            self.messages.append(f"exception: {told['exceptionDetails'].get('exception', {}).get('description')}")
        elif kind == "Log.entryAdded":
            self.messages.append(f"log {told['entry']['level']}: {told['entry']['text']}")
        elif kind == "Page.javascriptDialogOpening":
            self.messages.append(f"dialog: {told['message']}")
        elif kind == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "data:", "about:")):
            self.messages.append(f"request: {told['request']['url']}")

    def open(self, path, width, fragment="", height=900):
        """Load a file at a width in pixels and wait until its script is done."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Page.navigate", url=path.resolve().as_uri() + fragment)
        for _ in range(200):
            if self.run("document.readyState") == "complete" and self.run(
                "!document.getElementById('f-first') || document.getElementById('browser').hidden || "
                "document.getElementById('list').getAttribute('aria-busy') === 'false'"
            ):
                return
            time.sleep(0.05)

    def run(self, line):
        """Value of a JavaScript expression in the page; a promise is awaited."""
        return self.call("Runtime.evaluate", expression=line, awaitPromise=True, returnByValue=True)["result"].get("value")

    def picture(self, path, whole=True):
        """Write a PNG of the page."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def close(self):
        self.process.kill()  # first: closing the socket of a living browser waits for its answer
        self.process.wait(timeout=20)
        with contextlib.suppress(Exception):
            self.stack.close()


CHOOSE = """(async (values) => {
    for (const [id, value] of Object.entries(values)) {
        const input = document.getElementById(id);
        input.value = value;
        input.dispatchEvent(new Event(input.type === "search" ? "input" : "change"));
    }
    await new Promise(done => setTimeout(done, 20));
    while (document.getElementById("list").getAttribute("aria-busy") !== "false") await new Promise(done => setTimeout(done, 20));
})"""
SETTLED = f"({CHOOSE})({{}})"


def choose(browser, **values):
    """Set filters of the sample browser, by their names, and wait for its list."""
    browser.run(f"({CHOOSE})({json.dumps({'f-' + name: value for name, value in values.items()})})")
