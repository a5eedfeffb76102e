"""The ledger of the long tests: the page shows what tests/ledger.json says, and every part is small enough."""

from support import ledger


def test_the_page_shows_the_ledger():
    page = ledger.PAGE.read_text()
    assert ledger.rendered(ledger.read(), page) == page, "make tests-ledger"


def test_a_part_takes_at_most_forty_minutes():
    measured = {part: entry["minutes"] for part, entry in ledger.read().items() if not entry["stale"]}
    assert {part: minutes for part, minutes in measured.items() if minutes > ledger.MINUTES} == {}


def test_a_long_test_has_one_part():
    assert ledger.part_of("tests/workflow/test_studies.py::test_a_sweep_of_four_runs_ends_in_one_table") == "sweep"
    assert ledger.part_of("tests/workflow/test_studies.py::test_a_curriculum_starts") == "studies"
    assert ledger.part_of("tests/checks/test_gpu.py::test_the_whole_check_on_this_cpu") == "rooms"
    assert ledger.part_of("tests/workflow/test_new.py::test_x") is None


def test_what_passed_is_known_until_code_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("MATHRL_BANK", str(tmp_path))
    test = "tests/workflow/test_ledger.py::test_the_page_shows_the_ledger"
    assert not ledger.has_passed(test)
    ledger.note_passed(test, 3.0)
    assert ledger.has_passed(test)
    monkeypatch.setattr(ledger.bank, "code_hash", lambda *tests: "other")
    assert not ledger.has_passed(test)


def test_the_bank_trains_once_for_each_state_of_the_code(tmp_path, monkeypatch):
    from support import bank

    monkeypatch.setenv("MATHRL_BANK", str(tmp_path))
    made = []

    def make(place):
        made.append(place)
        (place / "manifest.json").write_text("{}")

    first = bank.deposit("short", "settings", make)
    assert bank.deposit("short", "settings", make) == first and len(made) == 1
    assert bank.deposit("short", "other settings", make) != first and len(made) == 2
    (first / bank.DONE).unlink()  # killed while it trained: made anew
    assert bank.deposit("short", "settings", make) == first and len(made) == 3
    monkeypatch.setattr(bank, "code_hash", lambda *tests: "other")
    assert bank.deposit("short", "settings", make) != first and not first.exists()
