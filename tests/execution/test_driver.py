"""The directory that a command works in: made absolute, and refused in one line where it cannot be one."""

import pytest
from mathrl.core.files import UserError
from mathrl.execution.driver import working_directory


def test_a_directory_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert working_directory(tmp_path / "a b" / ".." / "c") == tmp_path / "c"
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("name", ["file", "n" * 300, "loop"])
def test_what_is_no_directory_is_one_line(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match="--directory: ") as error:
        working_directory(tmp_path / name)
    assert "\n" not in str(error.value) and "give a" in str(error.value)
