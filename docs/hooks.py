"""For mkdocs: the words after `sh` in a fenced block become the block's title; CONTRIBUTING.md tells what they mean."""

import re

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


def on_page_markdown(markdown, **_):
    """```sh gpu → ```sh title="needs a GPU"."""
    return re.sub(r"^```(\w+) (\w+)$", lambda found: f'```{found[1]} title="{TITLES[found[2]]}"', markdown, flags=re.M)
