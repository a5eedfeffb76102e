"""A directory is replaced as a whole, wherever a kill comes; a packed file has limits."""

import contextlib
import itertools
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from mathrl.core import files, owner
from mathrl.core.files import UserError, replaced_directory
from mathrl.core.spreadsheets import csv_text

ROOT = Path(__file__).parents[2]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_that_a_group_shares_gives_its_group_on(tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "own"
    for folder in (shared, own):
        folder.mkdir()
    shared.chmod(0o2775)
    for folder in (shared, own):
        with replaced_directory(folder / "model"):
            pass
    assert [bool((folder / "model").stat().st_mode & stat.S_ISGID) for folder in (shared, own)] == [True, False]


def test_the_new_one_takes_the_place_of_the_old(tmp_path):
    place = tmp_path / "a" / "model"
    for content in ("first", "second"):
        with replaced_directory(place) as fresh:
            (fresh / content).write_text(content)
            (fresh / "deep").mkdir()
        assert names(place) == sorted([content, "deep"]) and names(place.parent) == ["model"]


def test_a_failure_leaves_the_old_one(tmp_path):
    with replaced_directory(tmp_path / "model") as fresh:
        (fresh / "old").write_text("")
    with pytest.raises(ZeroDivisionError), replaced_directory(tmp_path / "model") as fresh:
        (fresh / "new").write_text("")
        _ = 1 / 0
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["old"]


def test_a_kill_between_the_renames_is_mended_by_the_next_call(tmp_path):
    (tmp_path / ".model.old").mkdir()
    (tmp_path / ".model.old" / "old").write_text("")
    (tmp_path / ".model.abcdefgh.new").mkdir()
    with pytest.raises(ZeroDivisionError), replaced_directory(tmp_path / "model"):
        _ = 1 / 0
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["old"]


def test_one_that_is_not_dead_yet_mixes_nothing_in(tmp_path):
    """An orphan and the job that does its work again."""
    place = tmp_path / "model"
    with pytest.raises(FileNotFoundError), replaced_directory(place) as orphan:
        (orphan / "weights").write_text("orphan")
        with replaced_directory(place) as fresh:
            (fresh / "weights").write_text("new")
            with contextlib.suppress(FileNotFoundError):
                (orphan / "late").write_text("orphan")
    assert names(tmp_path) == ["model"] and names(place) == ["weights"] and (place / "weights").read_text() == "new"


def test_one_whose_name_begins_alike_is_left_alone(tmp_path):
    """The job that fetches `qwen2` deleted what that of `qwen2.5` had so far."""
    with replaced_directory(tmp_path / "qwen2.5") as other:
        (other / "weights").write_text("")
        with replaced_directory(tmp_path / "qwen2"):
            pass
    assert names(tmp_path) == ["qwen2", "qwen2.5"] and names(tmp_path / "qwen2.5") == ["weights"]


WRITER = """
import itertools, sys
from mathrl.core.files import replaced_directory
for number in itertools.count(int(sys.argv[2])):
    with replaced_directory(sys.argv[1]) as fresh:
        for part in range(5):
            (fresh / str(part)).write_text(str(number))
    print(number, flush=True)
"""


def test_an_orphan_puts_nothing_in_place(tmp_path, monkeypatch):
    """The next Snakemake may have made the file meanwhile. A checkpoint is saved all the same: its job has the directory's lock."""

    def replace(path):
        with replaced_directory(path) as fresh:
            (fresh / "weights").write_text("new")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATHRL_OWNER", owner.owner_token())
    write = {
        "results/scores.csv": lambda path: files.write_text(path, str(os.getpid())),
        "results/rows.jsonl": lambda path: files.write_jsonl(path, [{}]),
        "resources/model": replace,
    }
    for name, call in write.items():
        call(Path(name))
    dead = subprocess.Popen(["true"])
    token = owner.owner_token(dead.pid).replace("None", "1")
    dead.wait()
    monkeypatch.setenv("MATHRL_OWNER", token)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for name, call in write.items():
        with pytest.raises(UserError, match="the Snakemake that started this job is gone"):
            call(Path(name))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    files.write_json("checkpoints/grpo/main/whole.json", {})


def test_kills_at_any_time_leave_a_whole_directory(tmp_path):
    """A writer that replaces a directory of five files over and over is killed a dozen times at different moments."""
    place, number = tmp_path / "model", 0
    for delay in itertools.islice(itertools.cycle((0.0, 0.0004, 0.0011, 0.0023, 0.0041)), 12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, place, str(number)],
            env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        if not place.exists():  # killed between the two renames: the old one lies beside
            (tmp_path / ".model.old").rename(place)
        found = {(place / str(part)).read_text() for part in range(5)}
        assert len(found) == 1, "files of two versions, or a file without content"
        number = int(found.pop()) + 1


def packed(path, blocks):
    """A zstd file of a text, given in blocks."""
    with open(path, "wb") as out, zstandard.ZstdCompressor(level=19).stream_writer(out) as stream:
        for block in blocks:
            stream.write(block)


def test_a_small_file_that_unpacks_to_one_endless_line_is_refused(tmp_path):
    bomb = tmp_path / "a.jsonl.zst"
    packed(bomb, [b'{"a": "', *[b"x" * 2**20] * 100])
    assert bomb.stat().st_size < 20_000
    with pytest.raises(UserError, match="line 1 is longer than 64 Mi characters"):
        list(files.read_jsonl(bomb))


def test_what_a_packed_file_holds_has_a_limit(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    packed(path, [b'{"a": 1}\n' * 2**16] * 8)
    files.check_unpacked(path, 9 * 2**19)
    with pytest.raises(UserError, match="holds more than 4 MiB unpacked"):
        files.check_unpacked(path, 9 * 2**19 - 1)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="is no whole zstd file"):
        files.check_unpacked(path, 2**30)


@pytest.mark.parametrize(
    "bad", ['{"a"', '{"a": "\\ud800"}', '{"a": ' + "[" * 200 + "]" * 200 + "}"], ids=["cut off", "half a character", "deep"]
)
def test_a_line_that_is_no_json_is_named_by_its_number(bad, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n\n' + bad + "\n")
    with pytest.raises(UserError, match=r"rows\.jsonl: line 3 cannot be read"):
        list(files.read_jsonl(tmp_path / "rows.jsonl"))


def test_a_message_does_not_command_the_terminal(tmp_path):
    code = "from mathrl.core.files import UserError, run_main\ndef main(): raise UserError('a\x1b[31m\u202eb')\nrun_main(main)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr == "error: a�[31m�b\n"


def test_no_cell_runs_in_a_spreadsheet():
    assert csv_text([["=1", 2, None], ["＝1", "a", -1.5]]) == "'=1,2,\n'＝1,a,-1.5\n"


def test_a_changed_byte_in_a_packed_file_is_one_line(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    files.write_jsonl(path, ({"n": str(number) * 40} for number in range(2000)))
    found = bytearray(path.read_bytes())
    for place in range(20, len(found) - 8, 97):
        path.write_bytes(bytes([*found[:place], found[place] ^ 0xFF, *found[place + 1 :]]))
        with pytest.raises(UserError, match=r"rows\.jsonl\.gz"):
            list(files.read_jsonl(path))
