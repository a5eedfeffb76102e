"""Checked lines: what a kill cut off is left out, what is appended later is read then, damage is named by its line."""

from mathrl.core.checked_lines import Appender, Reader, content, pack, read_rows


def test_a_reader_sees_what_others_append(tmp_path, capsys):
    first, second, reader = Appender(tmp_path, "a-"), Appender(tmp_path, "b-"), Reader(tmp_path, "*.jsonl")
    first.write({"n": 1})
    assert [row for _, row in reader.new()] == [{"n": 1}] and list(reader.new()) == []
    first.write({"n": 2})
    second.write({"n": 3})
    assert [(path.name[0], row["n"]) for path, row in reader.new()] == [("a", 2), ("b", 3)]
    with open(first.path, "ab") as file:
        file.write(pack({"n": 4})[:-3])
    assert list(reader.new()) == []
    with open(first.path, "ab") as file:
        file.write(pack({"n": 4})[-3:] + pack({"n": 5}).replace(b"5", b"6") + pack({"n": 7}))
    assert [row["n"] for _, row in reader.new()] == [4, 7] and f"{first.path}: line 4 is damaged" in capsys.readouterr().err
    assert [row["n"] for row in read_rows(tmp_path, "a-")] == [1, 2, 4, 7]


def test_a_file_that_was_closed_is_gone_on_with(tmp_path):
    lines = Appender(tmp_path)
    for number in range(2):
        lines.write({"n": number})
        lines.close()
    assert [row["n"] for row in read_rows(tmp_path)] == [0, 1] and len(list(tmp_path.iterdir())) == 1
    assert content(pack({"x": "\ud800"})) and content(b"junk\n") is None
