"""A stranger's crate, hostile or damaged, is refused in one line."""

import json
import zipfile

import pytest
import zstandard
from mathrl.core.files import UserError

from .test_crate import OPEN, matches_of, repacked


def sample_with(key, value):
    def change(files, _):
        rows = [json.loads(line) for line in zstandard.ZstdDecompressor().decompressobj().decompress(files[OPEN]).splitlines()]
        files[OPEN] = zstandard.compress("\n".join(json.dumps({**row, key: value}) for row in rows).encode())

    return change


def study_file(key, value):
    def change(files, _):
        files["study.json"] = json.dumps(json.loads(files["study.json"]) | {key: value}).encode()

    return change


def listed_as(name):
    def change(files, metadata):
        files[name] = files["results/scores.md"]
        metadata["@graph"].append({"@id": name, "@type": "File"})

    return change


def bomb(files, _):
    files[OPEN] = zstandard.compress(b'{"id": "' + b"x" * 2**27)


HOSTILE = {
    "matches without end": (matches_of(1_000_001, "a"), "matches.parquet: holds 1000001 rows"),
    "matches that share a long name": (matches_of(1000, "a" * 1000), "matches.parquet: holds a name of 1000 bytes"),
    "matches that are none": (lambda files, _: files.update({"results/data/matches.parquet": b"PAR1xxxxPAR1"}), "no whole table of"),
    "a table with an endless cell": (lambda files, _: files.update({"results/scores.csv": b'"' + b"z" * 200_000}), "make no score table"),
    "samples that unpack to one endless line": (bomb, "longer than 64 Mi characters"),
    "a name that climbs": (listed_as("../outside.txt"), "no plain path inside the crate"),
    "an absolute name": (listed_as("/tmp/outside.txt"), "no plain path inside the crate"),
    "a name with a backslash": (listed_as("..\\outside.txt"), "no plain path inside the crate"),
    "a hidden name": (listed_as("results/.checksums/a"), "no plain path inside the crate"),
    "a model that climbs": (study_file("models", ["../../outside"]), "'models' is no list of plain names"),
    "a benchmark with a slash": (study_file("benchmarks", ["a/b"]), "'benchmarks' is no list of plain names"),
    "no protocol": (study_file("protocols", []), "'protocols' is no list of plain names"),
    "a missing file": (lambda files, _: files.pop("results/scores.md"), "lacks results/scores.md"),
    "a file without a hash": (lambda _, metadata: metadata["@graph"].append({"@id": "ghost", "@type": "File"}), "has no size"),
    "no graph": (lambda _, metadata: metadata.update({"@graph": [1]}) or metadata["@graph"].clear(), "lacks"),
    "a configuration that is none": (lambda files, _: files.update({"config.json": b"[]"}), "the file is .*it must be mapping"),
    "tokens that are none": (sample_with("tokens", "many"), "make no score table"),
    "a response that is none": (sample_with("response", 7), "'response' a text"),
    "grades that are none": (lambda files, _: files.update({"results/grpo/contest/eval/open.json": b"[]"}), "'grader' is none of"),
    "JSON without end": (lambda files, _: files.update({"study.json": b"[" * 10**5 + b"]" * 10**5}), "make no score table"),
    "a file in place of a folder": (listed_as("results/scores.md/a"), "cannot be read"),
}


@pytest.mark.parametrize(("change", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_crate_is_refused(crate, rebuild, tmp_path, change, said):
    forged = repacked(crate, tmp_path / "forged.zip", change)
    with pytest.raises(UserError, match=said):
        rebuild(forged)
    assert {path for path in tmp_path.rglob("*") if "rebuilt" not in path.parts} == {forged}


def linked(crate, out):
    with zipfile.ZipFile(crate) as archive, zipfile.ZipFile(out, "w") as forged:
        for name in archive.namelist():
            entry = zipfile.ZipInfo(name)
            if name == "results/scores.md":
                entry.external_attr = 0o120777 << 16
            forged.writestr(entry, b"/etc/passwd" if name == "results/scores.md" else archive.read(name))


def damaged(crate, out):
    data = bytearray(crate.read_bytes())
    data[len(data) // 2] ^= 255
    out.write_bytes(data)


def cut_off(crate, out):
    out.write_bytes(crate.read_bytes()[:-100])


def doubled(crate, out):
    out.write_bytes(crate.read_bytes())
    with pytest.warns(UserWarning), zipfile.ZipFile(out, "a") as archive:
        archive.writestr("study.json", b"{}")


def unlike_its_hash(crate, out):
    with zipfile.ZipFile(crate) as archive, zipfile.ZipFile(out, "w") as forged:
        for name in archive.namelist():
            forged.writestr(name, archive.read(name) + (b"\n" if name == "config.json" else b""))


def without_metadata(at, zeros):
    """The crate whose metadata, its first entry, are overwritten from byte `at` on."""

    def make(crate, out):
        data = bytearray(crate.read_bytes())
        data[at : at + zeros] = bytes(zeros)
        out.write_bytes(data)

    return make


def beyond_its_end(crate, out):
    data = bytearray(crate.read_bytes())
    entry = data.find(b"PK\x01\x02")
    data[entry + 42 : entry + 46] = (len(data) + 5).to_bytes(4, "little")
    out.write_bytes(data)


DAMAGED = {
    "metadata overwritten": (without_metadata(450, 50), "ro-crate-metadata.json cannot be read"),
    "metadata without a header": (without_metadata(0, 4), "ro-crate-metadata.json cannot be read|is no zip file"),
    "metadata beyond its end": (beyond_its_end, "ro-crate-metadata.json cannot be read|is no zip file"),
    "link": (linked, "is a link or no plain file"),
    "flipped byte": (damaged, "cannot be read|is damaged|is no zip|no plain path|packed in a way"),
    "cut off": (cut_off, "is no zip file"),
    "doubled": (doubled, "holds study.json twice"),
    "unlike its hash": (unlike_its_hash, "config.json: is damaged"),
    "not there": (lambda crate, out: None, "no such file"),
}


@pytest.mark.parametrize(("make", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_crate_is_refused(crate, rebuild, tmp_path, make, said):
    make(crate, tmp_path / "forged.zip")
    with pytest.raises(UserError, match=said):
        rebuild(tmp_path / "forged.zip")
