"""Commands of the pages that need a finished demo, where one has finished."""

import pytest
from support import pages

BLOCKS = [
    block
    for page in pages.pages()
    for block in pages.blocks(page)
    if block.language == "sh" and block.word == "demo" and not pages.is_dry_run(block.text)  # those: tests/docs/test_commands.py
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{BLOCKS.index(block)}")
def test_commands_run_after_the_demo(finished, tmp_path, block):
    """In a folder that shows the demo's files, so that the demo stays as it is."""
    for entry in finished.directory.iterdir():
        if entry.name != ".snakemake":
            (tmp_path / entry.name).symlink_to(entry)
    done = pages.run(block.text, tmp_path)
    assert done.returncode == 0, f"{block.page}:{block.line}\n{done.stdout[-3000:]}"
