"""The journal: whatever a process was doing when it died, whole entries are read and torn ones are not."""

from __future__ import annotations

import pytest

from pytest_optbench.words.journal import Journal


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "it.journal")


def test_entries_come_back_in_their_order(journal):
    entries = [{"task": "a", "x": 0.1 + 0.2}, {"text": "line\nbreak, ünï"}, {}]
    for entry in entries:
        journal.append(entry)
    assert journal.entries() == entries


def test_a_journal_that_was_not_begun_is_empty(journal):
    assert journal.entries() == []
    journal.remove()


@pytest.mark.parametrize("keep", range(1, 14))
def test_an_entry_cut_off_anywhere_is_left_out_and_written_over(journal, keep):
    journal.append({"task": "a"})
    whole = journal.path.read_bytes()
    assert len(whole) == 14
    journal.path.write_bytes(whole + whole[: keep - 1])
    assert journal.entries() == [{"task": "a"}]
    journal.append({"task": "b"})
    assert journal.entries() == [{"task": "a"}, {"task": "b"}]


@pytest.mark.parametrize("line", [b"", b"{", b"3", b"[]", b"\xff", b"[" * 100_000, b"\x00\x00"])
def test_a_line_that_is_no_entry_is_passed_over(journal, line):
    journal.append({"task": "a"})
    journal.path.write_bytes(journal.path.read_bytes() + line + b"\n")
    journal.append({"task": "b"})
    assert journal.entries() == [{"task": "a"}, {"task": "b"}]


def test_a_removed_journal_is_gone(journal):
    journal.append({})
    journal.remove()
    assert not journal.path.exists()
