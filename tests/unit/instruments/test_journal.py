import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import JournalError, SessionFolderError
from structloop.instruments.entries import ENTRY, ActionDone, ActionIntended, Entry, Noted
from structloop.instruments.folding import SessionRecord
from structloop.instruments.journal import JOURNAL_NAME, Journal, read_journal
from structloop.schema.acquisition import CAPABILITY_OF, Done, MoveStage
from structloop.testing.microscope_basics import example

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def note(text: str) -> Noted:
    return Noted(at=AT, text=text)


def written(folder: Path, *texts: str) -> Path:
    with Journal.open(folder) as journal:
        for text in texts:
            journal.append(note(text))
    return folder / JOURNAL_NAME


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written(tmp_path, "one", "zwei ü", 'three "quoted"\nlines')
    with Journal.open(tmp_path) as journal:
        assert journal.entries == (note("one"), note("zwei ü"), note('three "quoted"\nlines'))
    assert read_journal(tmp_path).entries == journal.entries


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e6, 1e6))
def test_numbers_survive_exactly(x_um: float, y_um: float) -> None:
    entry = ActionIntended(at=AT, key="a", attempt=1, action=MoveStage(x_um=x_um, y_um=y_um))
    assert ENTRY.validate_json(ENTRY.dump_json(entry, exclude_none=True)) == entry


def test_a_journal_cut_after_any_byte_has_all_entries_before_the_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    whole = written(tmp_path / "whole", "one", "two ü", "three").read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        folder = tmp_path / "cut"
        folder.mkdir(exist_ok=True)
        (folder / JOURNAL_NAME).write_bytes(whole[:length])
        complete = sum(end - 1 <= length for end in ends)
        assert len(read_journal(folder).entries) == complete
        with Journal.open(folder) as journal:
            assert len(journal.entries) == complete
            assert bool(journal.unfinished) == (length not in (0, *ends, *(end - 1 for end in ends)))
            journal.append(note("after"))
        assert [entry.entry for entry in read_journal(folder).entries] == ["note"] * (complete + 1)


def test_a_line_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "one", "two", "three")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0" * 40 + b"\n" + lines[2])
    with pytest.raises(JournalError, match=r"journal\.jsonl, line 2"):
        Journal.open(tmp_path)
    path.write_bytes(lines[0] + lines[1].replace(b"text", b"txet") + lines[2])
    with pytest.raises(JournalError, match=r"line 2, field note\.text"):
        Journal.open(tmp_path)
    assert path.read_bytes().endswith(lines[2]), "a journal that is refused is left as it is"
    path.write_bytes(b"".join(lines))
    assert len(read_journal(tmp_path).entries) == 3, "and it was not locked by the attempts"
    Journal.open(tmp_path).close()


@pytest.mark.parametrize("line", ["[]", "{}", '{"entry": "note"}', "nonsense", '{"entry": "session", "format": 2}'])
def test_a_file_of_another_program_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / JOURNAL_NAME).write_text(line + "\n" + line + "\n")
    with pytest.raises(JournalError, match="line 1"):
        read_journal(tmp_path)


def test_a_folder_without_a_journal_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is not the folder of a session"):
        read_journal(tmp_path)


def test_two_writers_are_refused_in_one_process_and_in_two(tmp_path: Path) -> None:
    code = (
        "import sys; from structloop.instruments.journal import Journal\n"
        "try:\n    Journal.open(sys.argv[1])\nexcept Exception as error:\n    print(type(error).__name__)\n"
        "else:\n    print('open')"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with Journal.open(tmp_path):
        with pytest.raises(JournalError, match="written by another process"):
            Journal.open(tmp_path)
        other = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
        assert other.stdout.strip() == "JournalError"
    other = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert other.stdout.strip() == "open"


def test_a_folder_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    for folder in (file, file / "below"):
        with pytest.raises(SessionFolderError, match="cannot be written"):
            Journal.open(folder)


class FullDisk:
    """Takes so many bytes, then no more, until the reserve is given up."""

    def __init__(self, folder: Path, room: int) -> None:
        self.reserve = folder / "journal.reserve"
        self.room = room
        self.write = os.write

    def __call__(self, descriptor: int, data: bytes) -> int:
        if not self.reserve.exists():
            return self.write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = self.write(descriptor, data[: self.room])
        self.room -= count
        return count


@pytest.mark.parametrize("room", [0, 1, 30, 75])
def test_a_full_disk_leaves_room_for_the_last_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    with Journal.open(tmp_path) as journal:
        monkeypatch.setattr(os, "write", FullDisk(tmp_path, room))
        journal.append(note("the disk is full"))
        journal.append(note("and what happened is still written down"))
    assert len(read_journal(tmp_path).entries) == 2


def test_where_nothing_can_be_written_any_more_the_journal_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(tmp_path) as journal:
        journal.append(note("before"))
        (tmp_path / "journal.reserve").unlink()
        real = os.write

        def half(descriptor: int, data: bytes) -> int:
            real(descriptor, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(SessionFolderError, match="full; free some space"):
            journal.append(note("lost"))
        monkeypatch.undo()
        assert journal.entries == (note("before"),)
        journal.append(note("after"))
    assert read_journal(tmp_path).entries == (note("before"), note("after"))


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(note("late"))


def test_somebody_can_watch(tmp_path: Path) -> None:
    seen: list[Entry] = []
    with Journal.open(tmp_path) as journal:
        journal.watch = seen.append
        journal.append(note("one"))
    assert seen == [note("one")]


def test_a_result_without_its_intention_is_a_damaged_journal() -> None:
    done = ActionDone(at=AT, key="a", attempt=1, result=Done(), started_at=AT, duration_s=1.0)
    with pytest.raises(JournalError, match=r"entry 2 of the journal says 'done' of 'a'"):
        SessionRecord.of([note("one"), done])


def test_every_kind_of_action_can_be_written(tmp_path: Path) -> None:
    actions = [example(kind) for kind in CAPABILITY_OF]
    with Journal.open(tmp_path) as journal:
        for number, action in enumerate(actions):
            journal.append(ActionIntended(at=AT, key=f"k{number}", attempt=1, action=action))
    entries = read_journal(tmp_path).entries
    assert [entry.action for entry in entries if entry.entry == "intended"] == actions
    assert all(json.loads(line) for line in (tmp_path / JOURNAL_NAME).read_text().splitlines())
