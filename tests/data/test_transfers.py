"""Downloads that cannot lie: what a pin asks for decides, and a server that cuts, swaps versions or shows a page gets one line."""

import contextlib
import hashlib
import importlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.data import fetch as fetching
from mathrl.data.downloads import find_pin, lock_path

COLUMNS = ("name", "kind", "source", "id", "revision", "file", "sha256", "rows", "licence", "url", "mirror")
OLD, NEW = (json.dumps({"question": word, "answer": "1"}).encode() * 400 for word in ("old", "new"))
TAGS = {data: f'"{hashlib.sha256(data).hexdigest()[:8]}"' for data in (OLD, NEW)}


class Server(ThreadingHTTPServer):
    """Answers each request by the next of `answers`: a function of the handler; the last one stays."""

    def __init__(self, *answers) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = list(answers), []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.headers.get("Range"), self.headers.get("If-Range")))
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_) -> None:
        pass


def sends(data, status=200, cut=None, **headers):
    def answer(handler):
        handler.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data[:cut])
        if cut:
            handler.wfile.flush()
            handler.connection.close()

    return answer


def chunks_cut(handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"400\r\n" + OLD[:200])
    handler.wfile.flush()
    handler.connection.close()


@pytest.fixture
def get(tmp_path, monkeypatch):
    """Fetch the pin `thing` with these cells; returns the bytes that came and records the lock."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "*")

    def call(**cells) -> dict[str, bytes]:
        write_pin(**cells)
        pin = find_pin("pins.tsv", "thing", "dataset")
        fetched = fetching.fetch(pin, "pins.tsv", wait=0.01)
        fetching.record(pin, "pins.tsv", fetched, None)
        return {name: path.read_bytes() for name, path in zip(fetched.names, fetched.paths, strict=True)}

    return call


def write_pin(**cells) -> None:
    row = {"name": "thing", "kind": "dataset", "source": "http", "url": "https://example.org/thing", "revision": "main"} | cells
    Path("pins.tsv").write_text("\t".join(COLUMNS) + "\n" + "\t".join(str(row.get(key, "")) for key in COLUMNS) + "\n")


def locked() -> bool:
    return lock_path("pins.tsv", "thing").exists()


@pytest.mark.parametrize("with_lock", [True, False], ids=["locked", "lock deleted"])
@pytest.mark.parametrize("change", ["id", "revision", "file"])
def test_changed_pin_fetches_anew(change, with_lock, get):
    with Server(sends(OLD), sends(NEW)) as server:
        cells = {"id": f"{server.address}/a.jsonl", "revision": "1", "file": "a.jsonl"}
        assert get(**cells) == {"a.jsonl": OLD}
        if not with_lock:
            lock_path("pins.tsv", "thing").unlink()
        other = {"id": f"{server.address}/b.jsonl", "revision": "2", "file": "b.jsonl"}[change]
        assert list(get(**cells | {change: other}).values()) == [NEW]
        assert len(server.asked) == 2
        assert get(**cells | {change: other}) and len(server.asked) == 2, "fetched once, asked no more"


def test_content_that_changed_under_a_locked_pin_stops(get):
    with Server(sends(OLD), sends(NEW)) as server:
        get(id=f"{server.address}/a.jsonl")
        lock = lock_path("pins.tsv", "thing").read_text()
        (fetching.PARTIAL / "thing/http/a.jsonl").unlink()
        with pytest.raises(UserError, match=r"the lock pins.lock/thing.json says"):
            get(id=f"{server.address}/a.jsonl")
        assert lock_path("pins.tsv", "thing").read_text() == lock


def test_a_lock_with_a_damaged_letter_is_refused_and_the_right_download_stays(get):
    with Server(sends(OLD)) as server:
        cells = {"id": f"{server.address}/a.jsonl"}
        get(**cells)
        lock = lock_path("pins.tsv", "thing")
        whole, found = lock.read_text(), json.loads(lock.read_text())
        (sha256,) = found["sha256"].values()
        other = f"{int(sha256[0], 16) ^ 1:x}{sha256[1:]}"
        lock.write_text(whole.replace(sha256, other))
        with pytest.raises(UserError, match=r"^pins.lock/thing.json: is damaged: .* or remove its 'checksum' if you changed it yourself$"):
            get(**cells)
        assert (fetching.PARTIAL / "thing/http/a.jsonl").read_bytes() == OLD
        del found["checksum"]  # as an earlier commit wrote it, or a hand
        lock.write_text(json.dumps(found))
        assert get(**cells) == {"a.jsonl": OLD} and len(server.asked) == 1
        found["sha256"] = {"a.jsonl": other}
        lock.write_text(json.dumps(found))
        with pytest.raises(UserError, match=r"the lock pins.lock/thing.json says"):
            get(**cells)


def test_shard_that_appears_under_a_locked_branch_stops(get, monkeypatch):
    files = {"all/a.jsonl": OLD}
    monkeypatch.setitem(fetching.CLIENTS, "huggingface", _snapshot(files))
    cells = {"source": "huggingface", "id": "owner/name", "file": "all/*.jsonl"}
    assert list(get(**cells)) == ["all/a.jsonl"]
    lock = lock_path("pins.tsv", "thing").read_text()
    files["all/b.jsonl"] = NEW
    (fetching.PARTIAL / "thing/huggingface/all/a.jsonl").unlink()
    with pytest.raises(UserError, match=r"has files that the lock pins.lock/thing.json does not know \(all/b.jsonl\)"):
        get(**cells)
    assert lock_path("pins.tsv", "thing").read_text() == lock


def _snapshot(files):
    def client(pin, origin, folder):
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)

    return client


def test_transfer_goes_on_only_in_the_same_version(get):
    whole = sends(NEW, ETag=TAGS[NEW])
    with Server(sends(OLD, cut=3000, ETag=TAGS[OLD]), whole) as server:
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": NEW}
        assert server.asked == [(None, None), ("bytes=3000-", TAGS[OLD])]


def test_server_that_goes_on_with_another_version_is_asked_from_the_start(get):
    wrong = sends(NEW[3000:], 206, Content_Range=f"bytes 3000-{len(NEW) - 1}/{len(NEW)}", ETag=TAGS[NEW])
    with Server(sends(OLD, cut=3000, ETag=TAGS[OLD]), wrong, sends(NEW, ETag=TAGS[NEW])) as server:
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": NEW}
        assert server.asked[2] == (None, None)


def test_server_that_goes_on_without_saying_with_which_version_is_asked_from_the_start(get):
    """It may have ignored If-Range, and the rest may be of another version."""
    silent = sends(NEW[3000:], 206, Content_Range=f"bytes 3000-{len(NEW) - 1}/{len(NEW)}")
    with Server(sends(OLD, cut=3000, ETag=TAGS[OLD]), silent, sends(NEW, ETag=TAGS[NEW])) as server:
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": NEW}
        assert server.asked[2] == (None, None)


def test_server_without_versions_is_asked_from_the_start(get):
    with Server(sends(OLD, cut=3000), sends(NEW)) as server:
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": NEW}
        assert server.asked == [(None, None), (None, None)]


def test_server_that_sends_parts_without_saying_which_is_asked_from_the_start(get):
    """The part that had come stayed, and each later run asked for the rest of it in vain."""
    parts = sends(b"--x\r\n", 206, Content_Type="multipart/byteranges; boundary=x", ETag=TAGS[OLD])
    with Server(sends(OLD, cut=3000, ETag=TAGS[OLD]), parts, sends(OLD)) as server:
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": OLD}
        assert server.asked[1:] == [("bytes=3000-", TAGS[OLD]), (None, None)]


@pytest.mark.parametrize(
    ("kind", "wall"), [("dataset", b'{"error": "accept the licence, log in"}'), ("benchmark", b"Please log in, then try again.\n")]
)
def test_login_that_is_no_page_is_shown_and_asked_again(kind, wall, get, script):
    """A server may say so with the status of success; the next run read the same words again, and no server."""
    with Server(sends(wall), sends(b'{"question": "a", "answer": "1"}\n')) as server:
        write_pin(id=f"{server.address}/a.jsonl", kind=kind)
        command = (f"fetch_{kind}.py", "--name", "thing", "--out", "out", "--wait", "0.01")
        done = script(*command)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not locked()
        assert "log in" in done.stderr and "the next run asks http:" in done.stderr
        assert script(*command).returncode == 0 and locked() and len(server.asked) == 2


def test_moved_address_is_followed(get):
    with Server(lambda handler: sends(b"", 308, Location="/b.jsonl")(handler), sends(OLD)) as server:
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": OLD}


REFUSED = [
    (chunks_cut, "IncompleteRead"),
    (sends(b"<!DOCTYPE html><html>Sign in</html>"), "is a web page (HTML)"),
    (sends(b"<div>Sign in</div>"), "is a web page (HTML)"),
    (sends(b""), "is empty"),
    (sends(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n"), "is a git-LFS pointer"),
    (sends(b"no", 401), "the file is gated"),
    (sends(b"no", 403), "the file is gated"),
    (sends(b"no", 404), "correct the address or the revision"),
    (sends(b"no", 429), "too many requests"),
    (sends(b"no", 416), "answered 416"),
    (sends(OLD[:50], 206), "did not say which"),
    (sends(OLD, cut=300), "broke off after 300"),
    (sends(OLD[:50], 206, Content_Range=f"bytes 0-49/{len(OLD)}"), f"sent 50 of {len(OLD)} bytes and not of which version"),
]


@pytest.mark.parametrize(("answer", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_no_file_gets_one_line_and_is_asked_again(answer, message, get):
    with Server(answer) as server:
        with pytest.raises(UserError) as error:
            get(id=f"{server.address}/a.jsonl")
        assert message in str(error.value) and "bring" in str(error.value) and not locked()
        tries = len(server.asked)
        assert tries == fetching.TRIES and "\n" not in str(error.value)
        server.answers = [sends(OLD)]
        assert get(id=f"{server.address}/a.jsonl") == {"a.jsonl": OLD} and len(server.asked) == tries + 1


@pytest.mark.parametrize("address", ["no address", "http://", "gopher://x/y", "http://127.0.0.1:99999/a", "http://a b/c"])
def test_bad_address_gets_one_line(address, get):
    with pytest.raises(UserError, match=r"could not be fetched|is no address of a web server"):
        get(id=address)
    assert not locked()


def test_file_brought_by_hand_to_the_wrong_place_gets_one_line(get, tmp_path):
    (tmp_path / "resources/by_hand/thing").mkdir(parents=True)
    (tmp_path / "resources/by_hand/thing/train.jsonl").write_bytes(OLD)
    with pytest.raises(UserError, match=r"it brought: train.jsonl.*put the files where pins.tsv wants them.*\(all/\*.jsonl\)"):
        get(source="huggingface", id="owner/name", file="all/*.jsonl")


def test_full_disk_gets_one_line_and_leaves_nothing(get, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with Server(sends(OLD)) as server:
        monkeypatch.setattr("urllib.request.urlopen", full)
        with pytest.raises(UserError, match="no space left on the disk"):
            get(id=f"{server.address}/a.jsonl")
    assert not (fetching.PARTIAL / "thing/http").exists() and not locked()


def endless(handler) -> None:
    """Says how long the file is, and sends more and more."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 0-{len(OLD) - 1}/{len(OLD)}")
    handler.send_header("Connection", "close")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(b"x" * (1 << 20))


def test_server_that_sends_more_than_the_file_is_left(get):
    with Server(endless) as server, pytest.raises(UserError, match="bytes"):
        get(id=f"{server.address}/a.jsonl")
    assert not list((fetching.PARTIAL / "thing").rglob("a.jsonl*"))


def wrapped(*_args, **_kwargs):
    try:
        raise OSError(28, "No space left on device")
    except OSError as error:
        raise RuntimeError("the download has failed") from error


def told(*_args, **_kwargs):
    raise RuntimeError("File all/a.jsonl: download failed after 5 retries: [Errno 28] No space left on device: '/x'")


@pytest.mark.parametrize("raises", [wrapped, told], ids=["a chain of errors", "its words alone"])
@pytest.mark.parametrize(
    ("source", "client"),
    [("huggingface", "huggingface_hub.snapshot_download"), ("modelscope", "modelscope.hub.snapshot_download.dataset_snapshot_download")],
)
def test_full_disk_under_a_hubs_client_gets_one_line_and_leaves_nothing(source, client, raises, get, monkeypatch):
    module, _, name = client.rpartition(".")
    monkeypatch.setattr(importlib.import_module(module), name, raises)
    with pytest.raises(UserError) as error:
        get(source=source, id="owner/name", file="all/*.jsonl")
    assert "no space left on the disk" in str(error.value) and "\n" not in str(error.value)
    assert not (fetching.PARTIAL / "thing" / source).exists() and not locked()


def test_full_disk_before_the_first_byte_gets_one_line(get, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "write_text", full)
    with pytest.raises(UserError, match="no space left on the disk"):
        get(id="http://127.0.0.1:9/a.jsonl")
    assert not (fetching.PARTIAL / "thing/http").exists()


@pytest.mark.parametrize("place", ["resources", "made"])
def test_place_that_cannot_be_written_gets_one_line(place, get, script):
    """A file where a folder is wanted; a folder without the right to write is the same to the code."""
    Path(place).write_text("no folder")
    Path("mine.jsonl").write_bytes(b'{"question": "a", "answer": "1"}\n')
    write_pin(source="file", id="mine.jsonl")
    done = script("fetch_dataset.py", "--name", "thing", "--out", "made/out.parquet")
    assert done.returncode == 2 and f"{place}" in done.stderr and "cannot be used" in done.stderr and "Traceback" not in done.stderr
