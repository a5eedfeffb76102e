"""Downloads with the real clients against a hub on loopback, and everything that goes wrong on the way."""

import hashlib
import io
import json

import polars as pl
import pytest
from mathrl.core.files import UserError
from mathrl.data.downloads import read_pins
from support import hub

COLUMNS = ("name", "kind", "source", "id", "revision", "file", "sha256", "rows", "licence", "url", "mirror", "published")


def parquet(rows: int) -> bytes:
    data = io.BytesIO()
    frame = pl.DataFrame(
        {"prompt": [f"What is {i} + {i}? " + "x" * 50 for i in range(rows)], "solution": [str(2 * i) for i in range(rows)]}
    )
    frame.write_parquet(data, compression="uncompressed")
    return data.getvalue()


BIG = parquet(5000)
FILES = {"all/train-0.parquet": BIG, "README.md": b"read me", "dataset_infos.json": b"{}"}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def fetch(tmp_path, script):
    """Write a one-row table, run a fetch script against a hub, return the finished process."""

    def call(kind="dataset", hub_url="http://127.0.0.1:9", out="out", **cells):
        row = {
            "name": "thing",
            "kind": kind,
            "source": "http",
            "id": f"{hub_url}/all/train-0.parquet",
            "url": "https://example.org/thing",
            "revision": "main",
        } | cells
        (tmp_path / "pins.tsv").write_text("\t".join(COLUMNS) + "\n" + "\t".join(str(row.get(key, "")) for key in COLUMNS) + "\n")
        return script(
            f"fetch_{kind}.py", "--pins", "pins.tsv", "--name", "thing", "--out", out, "--wait", "0.05",
            HF_ENDPOINT=hub_url, MODELSCOPE_ENDPOINT=hub_url, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_XET="1", HOME=str(tmp_path / "home"),
            HF_HUB_ETAG_TIMEOUT="2", NO_PROXY="*", no_proxy="*",
        )  # fmt: skip

    return call


def lock(tmp_path) -> dict:
    return json.loads((tmp_path / "pins.lock" / "thing.json").read_text())


@pytest.mark.parametrize("source", ["modelscope", "huggingface"])
def test_hub_client_brings_the_wanted_files_and_the_lock_holds_them(source, fetch, tmp_path):
    with hub.Hub(FILES) as server:
        done = fetch(hub_url=server.url, source=source, id="owner/name", file="all/*.parquet", rows=5000)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out").read_bytes() == BIG
        assert lock(tmp_path)["sha256"] == {"all/train-0.parquet": sha(BIG)}
        assert "commit it" in done.stderr
        assert not any("README" in path and method == "GET" for method, path, _ in server.log)
        # From now on the lock is enforced: another content under the same name is refused.
    with hub.Hub({**FILES, "all/train-0.parquet": parquet(5000)[:-8] + b"other123"}) as server:
        for path in (tmp_path / "resources").rglob("*.parquet"):
            path.unlink()
        (tmp_path / "out").unlink()
        done = fetch(hub_url=server.url, source=source, id="owner/name", file="all/*.parquet", rows=5000)
    assert done.returncode == 2
    assert "pins.lock/thing.json says" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", ["http", "modelscope", "huggingface"])
def test_interrupted_transfer_resumes(source, fetch, tmp_path):
    rows, broken = (300_000, 11_000_000) if source == "huggingface" else (5000, 100_000)  # that client writes blocks of 10 MB
    data = parquet(rows)
    cells = {"source": source, "rows": rows, "sha256": sha(data)} | (
        {"id": "owner/name", "file": "all/*.parquet"} if source != "http" else {}
    )
    with hub.Hub({"all/train-0.parquet": data}, break_after=broken) as server:
        done = fetch(hub_url=server.url, **cells)
        assert done.returncode == 0, done.stderr
        assert any(wanted and wanted.startswith("bytes=1") for _, _, wanted in server.log), server.log
    assert (tmp_path / "out").read_bytes() == data


def test_next_run_goes_on_where_a_dead_one_stopped(fetch, tmp_path):
    part = tmp_path / "resources/.partial/thing/http/train-0.parquet.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BIG[:200_000])
    part.with_name(".train-0.parquet.version").write_text(f'"{sha(BIG)}"')
    with hub.Hub(FILES) as server:
        part.with_name(".asked").write_text(f"http:{server.url}/all/train-0.parquet@main ")
        assert fetch(hub_url=server.url, rows=5000, sha256=sha(BIG)).returncode == 0
        assert [wanted for _, _, wanted in server.log] == ["bytes=200000-"]
    assert (tmp_path / "out").read_bytes() == BIG


def test_server_that_is_busy_is_asked_again(fetch, tmp_path):
    with hub.Hub(FILES, failures=2) as server:
        done = fetch(hub_url=server.url, sha256=sha(BIG))
        assert done.returncode == 0, done.stderr
        assert len(server.log) == 3


def test_second_source_is_asked_when_the_first_is_gone(fetch, tmp_path):
    with hub.Hub(FILES) as server:
        done = fetch(
            hub_url=server.url, id="http://127.0.0.1:9/gone.parquet", file="all/*.parquet", mirror="huggingface:owner/name@main", rows=5000
        )
    assert done.returncode == 0, done.stderr
    assert lock(tmp_path)["origin"] == "huggingface:owner/name@main"


def test_wrong_hash_is_refused_and_the_file_deleted(fetch, tmp_path):
    with hub.Hub(FILES) as server:
        done = fetch(hub_url=server.url, sha256=sha(b"something else"))
    assert done.returncode == 2
    assert sha(BIG) in done.stderr and "pins.tsv says" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "resources").rglob("*.parquet"))


@pytest.mark.parametrize("rows", [215_608, 1])
def test_wrong_row_count_is_refused(rows, fetch, tmp_path):
    with hub.Hub(FILES) as server:
        done = fetch(hub_url=server.url, rows=rows)
    assert done.returncode == 2
    assert f"5000 rows came, pins.tsv says {rows}" in done.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "pins.lock").exists()


def test_client_that_brings_only_metadata_is_noticed(fetch, tmp_path):
    with hub.Hub({"README.md": b"read me", "dataset_infos.json": b"{}"}) as server:
        done = fetch(hub_url=server.url, source="modelscope", id="owner/name", file="all/*.parquet", rows=5000)
    assert done.returncode == 2
    assert "brought no file like all/*.parquet" in done.stderr


def test_no_network_says_what_to_bring_and_where_to_put_it(fetch, tmp_path):
    done = fetch(file="train.parquet", rows=5000)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert all(text in last for text in ("train.parquet", "https://example.org/thing", "resources/by_hand/thing/"))
    # … and that works.
    hand = tmp_path / "resources/by_hand/thing"
    hand.mkdir(parents=True)
    (hand / "train.parquet").write_bytes(BIG)
    done = fetch(file="train.parquet", rows=5000, sha256=sha(BIG))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == BIG


def test_fetched_once_needs_no_network_again(fetch, tmp_path):
    with hub.Hub(FILES) as server:
        assert fetch(hub_url=server.url, sha256=sha(BIG)).returncode == 0
    (tmp_path / "out").unlink()
    done = fetch(hub_url=server.url, sha256=sha(BIG))
    assert done.returncode == 0, done.stderr


def test_several_parquet_files_become_one(fetch, tmp_path):
    with hub.Hub({"all/a.parquet": parquet(10), "all/b.parquet": parquet(20)}) as server:
        done = fetch(hub_url=server.url, source="huggingface", id="owner/name", file="all/*.parquet", rows=30)
    assert done.returncode == 0, done.stderr
    assert len(pl.read_parquet(tmp_path / "out")) == 30


def test_truncated_parquet_is_named(fetch, tmp_path):
    with hub.Hub({"all/train-0.parquet": BIG[:1000]}) as server:
        done = fetch(hub_url=server.url)
    assert done.returncode == 2 and "no whole parquet file" in done.stderr and "Traceback" not in done.stderr


def test_local_file_and_local_model_directory(fetch, tmp_path):
    (tmp_path / "mine.parquet").write_bytes(BIG)
    assert fetch(source="file", id="mine.parquet").returncode == 0
    assert not (tmp_path / "pins.lock").exists()  # the user's own files are not locked
    model = tmp_path / "model"
    (model / "1_Pooling").mkdir(parents=True)
    (model / "1_Pooling/config.json").write_text("{}")
    done = fetch(kind="model", source="file", id="model", out="fetched")
    assert done.returncode == 2 and "no config.json" in done.stderr
    (model / "config.json").write_text("{}")
    done = fetch(kind="model", source="file", id="model", out="fetched")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "fetched").rglob("*.json")) == ["config.json", "config.json"]
    done = fetch(source="file", id="nowhere.parquet")
    assert done.returncode == 2 and "nowhere.parquet does not exist" in done.stderr


def test_model_from_a_hub_is_verified_by_file(fetch, tmp_path):
    files = {"config.json": b"{}", "model.safetensors": b"weights" * 1000, "pytorch_model.bin": b"no" * 1000}
    with hub.Hub(files) as server:
        cells = {"source": "huggingface", "id": "owner/name", "file": "*.json *.safetensors"}
        done = fetch("model", server.url, sha256="model.safetensors=" + sha(files["model.safetensors"]), **cells)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]
    assert set(lock(tmp_path)["sha256"]) == {"config.json", "model.safetensors"}


BAD_TABLES = [
    ({"sha256": "abc"}, "no hash of 64", "a hash cut short"),
    ({"rows": "many"}, "no whole number", "rows must be a number"),
    ({"source": "ftp"}, "none of modelscope", "an unknown source"),
    ({"mirror": "somewhere"}, "source:id@revision", "a mirror without a source"),
    ({"kind": "models"}, "none of dataset", "an unknown kind"),
    ({"source": "reasoning-gym", "id": "gcd", "revision": "7"}, "needs rows", "a generator without a size"),
    ({"published": "May 2025"}, "published 'May 2025' is no date; write YYYY, YYYY-MM or YYYY-MM-DD", "a month by name"),
    ({"published": "2025-13"}, "published '2025-13' is no date", "no such month"),
    ({"source": "reasoning-gym", "id": "gcd", "revision": "exports", "rows": "5"}, "no seed", "training data made after training"),
    ({"source": "reasoning-gym", "id": "gcd", "revision": "7", "rows": "5", "file": "*.parquet"}, "no parameter", "a pattern of files"),
]


@pytest.mark.parametrize(("cells", "message", "reason"), BAD_TABLES, ids=[reason for *_, reason in BAD_TABLES])
def test_bad_table_gets_one_line(cells, message, reason, tmp_path, script):
    row = {"name": "thing", "kind": "dataset", "source": "http", "id": "http://127.0.0.1:9/x"} | cells
    (tmp_path / "pins.tsv").write_text("\t".join(COLUMNS) + "\n" + "\t".join(row.get(key, "") for key in COLUMNS) + "\n")
    done = script("fetch_dataset.py", "--pins", "pins.tsv", "--name", "thing", "--out", "out")
    assert done.returncode == 2 and message in done.stderr and "line 2" in done.stderr, reason


@pytest.mark.parametrize(("rows", "line"), [([" ".join(COLUMNS)], 1), (["\t".join(COLUMNS), "sums benchmark file sums.jsonl"], 2)])
def test_a_table_without_tabs_is_refused_by_line(tmp_path, rows, line):
    (tmp_path / "pins.tsv").write_text("\n".join(rows))
    with pytest.raises(UserError, match=f"line {line} has no tab; cells are separated by tabs"):
        read_pins(tmp_path / "pins.tsv")


def test_a_table_of_a_spreadsheet_is_read_and_one_in_another_encoding_refused(tmp_path):
    """The mark that a spreadsheet puts before UTF-8 hid the first column; Latin-1 was a traceback."""
    table, header = tmp_path / "pins.tsv", "\t".join(COLUMNS) + "\n"
    table.write_text(header, encoding="utf-8-sig")
    assert read_pins(table) == {}
    table.write_text(f"# \u00e9\n{header}", encoding="latin-1")
    with pytest.raises(UserError, match=r"pins.tsv: is no UTF-8 \(byte 2\); save it as UTF-8 text"):
        read_pins(table)


def test_table_of_the_repository_is_whole(root):
    pins = read_pins(root / "pins.tsv")
    assert {pin.kind for pin in pins.values()} == {"dataset", "benchmark", "model"}
    assert all(pin.licence and pin.url for pin in pins.values())
    by_commit = [pin.name for pin in pins.values() if not (pin.sha256 or pin.rows)]  # a hub's commit names content; hashes are recorded
    assert by_commit == ["qwen2.5-math-1.5b"] and all(len(pins[name].origin.revision) == 40 for name in by_commit)
    assert pins["big-math"].rows == 215_608 and pins["big-math"].mirror.source == "huggingface"
    benchmarks = [pin for pin in pins.values() if pin.kind == "benchmark"]
    assert sum(pin.rows for pin in benchmarks[:6]) == 30 + 40 + 1319 + 500 + 272 + 675
    assert [pin.rows for pin in benchmarks[6:]] == [30, 30, 30, 33, 30, 40, 2100], (
        "fresh contests and GSM-Plus without its unanswerable rows"
    )
    assert all(pin.published for pin in benchmarks) and pins["openseek"].published
    assert all(len(pin.origin.revision) == 40 for pin in benchmarks), "commits, no branches"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"file": "../../escaped"}, "file '../../escaped' leads out of the folder"),
        ({"file": "/tmp/escaped"}, "file '/tmp/escaped' leads out of the folder"),
        ({"sha256": f"../x={'0' * 64}"}, "sha256 '../x' leads out of the folder"),
        ({"id": "file:///etc/passwd"}, "id 'file:///etc/passwd' is no address of a web server"),
        ({"id": "FILE:/etc/passwd"}, "is no address of a web server"),
        ({"id": "ftp://host/x"}, "is no address of a web server"),
        ({"mirror": "http:file:///etc/passwd"}, "mirror 'file:///etc/passwd' is no address of a web server"),
        ({"name": "../thing"}, "name '../thing' is no plain name"),
        ({"name": "/tmp/thing"}, "name '/tmp/thing' is no plain name"),
        ({"name": "-thing"}, "name '-thing' is no plain name"),
    ],
)
def test_a_pin_that_leads_out_of_its_folder_is_refused_before_anything_is_written(cells, said, fetch, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    done = fetch(**cells)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} - before <= {"pins.tsv"}


def test_an_address_that_ends_in_dots_names_no_file(fetch, tmp_path):
    done = fetch(id="http://127.0.0.1:9/a/..")
    assert done.returncode == 2 and "'..', the end of the address, is no name of a file" in done.stderr
