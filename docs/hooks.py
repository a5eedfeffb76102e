"""For mkdocs. The word after `sh` in a fenced block becomes the block's title (CONTRIBUTING.md tells what the words mean).

The one script that mkdocs-material loads from another host, which lets search work in a site opened from a file, lies in docs/assets.
"""

import re

from mkdocs.utils import get_relative_url

TITLES = {
    "demo": "after make demo",
    "gpu": "needs a GPU",
    "cluster": "needs a cluster",
    "network": "needs the network",
    "root": "needs root",
    "data": "needs downloaded data",
    "minutes": "takes minutes",
    "hours": "takes hours",
}
ELSEWHERE, HERE = "https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js"


def on_page_markdown(markdown, **_):
    """```sh gpu → ```sh title="needs a GPU"."""
    return re.sub(r"^```(\w+) (\w+)$", lambda found: f'```{found[1]} title="{TITLES[found[2]]}"', markdown, flags=re.M)


def on_post_page(output, page, **_):
    return output.replace(ELSEWHERE, get_relative_url(HERE, page.url))


def on_post_template(output_content, **_):
    return output_content.replace(ELSEWHERE, HERE)
