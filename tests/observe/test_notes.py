"""A note and a star: what they may be, where they are kept, who shows them."""

from __future__ import annotations

import gc
import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.events import Finished
from zerogravity.errors import FaultError
from zerogravity.observe import notes, summary, trace_reader
from zerogravity.observe.notes import LONGEST, NOTHING, Note


@pytest.mark.parametrize(
    ("before", "given_", "after"),
    [
        (NOTHING, {"note": "odd"}, Note("odd")),
        (NOTHING, {"star": True}, Note("", star=True)),
        (Note("odd", star=True), {"star": False}, Note("odd")),
        (Note("odd", star=True), {"note": ""}, Note("", star=True)),
        (Note("odd"), {}, Note("odd")),
        (NOTHING, {"note": " two\nlines \n"}, Note("two\nlines")),
        (NOTHING, {"note": "x" * LONGEST}, Note("x" * LONGEST)),
        (NOTHING, {"note": "the key is sk-proj-abcdefghijklmnop"}, Note("the key is [redacted]")),
        (NOTHING, {"note": "half \ud800"}, Note("half ?")),
    ],
)
def test_what_is_not_given_stays(before, given_, after):
    assert before.changed(given_) == after


@pytest.mark.parametrize(
    ("given_", "param"),
    [({"note": 1}, "note"), ({"note": None}, "note"), ({"note": "x" * (LONGEST + 1)}, "note"), ({"star": 1}, "star"),
     ({"star": "true"}, "star"), ({"notes": "x"}, "notes")],
)  # fmt: skip
def test_anything_else_is_refused_by_name(given_, param):
    with pytest.raises(FaultError, match=param) as caught:
        NOTHING.changed(given_)
    assert caught.value.fault.param == param


@given(st.text(max_size=200), st.booleans())
def test_what_is_written_is_read_again(tmp_path_factory, words, star):
    folder = tmp_path_factory.getbasetemp()
    noted = NOTHING.changed({"note": words, "star": star})
    notes.write(folder, noted)
    assert notes.read(folder) == noted
    assert (folder / "note.json").exists() == (noted != NOTHING)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"note": 1, "star": 1}', b"\xff"])
def test_a_file_that_cannot_be_read_is_no_note(tmp_path, data):
    (tmp_path / "note.json").write_bytes(data)
    assert notes.read(tmp_path) == NOTHING


def test_only_the_user_can_read_the_file(tmp_path):
    notes.write(tmp_path, Note("odd"))
    assert stat.S_IMODE((tmp_path / "note.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]


def test_a_trace_has_its_note_and_its_row_shows_it(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn())
    running.close(Finished("stop"))
    made.flush()
    (folder,) = made.folders()
    before = trace_reader.find(made.root)
    assert "note" not in before.info
    assert (summary.stored_row(before.info)["note"], summary.stored_row(before.info)["star"]) == ("", False)
    notes.write(folder, Note("odd", star=True))
    after = trace_reader.find(made.root)
    assert after.info == {**before.info, "note": "odd", "star": True}
    assert (summary.stored_row(after.info)["note"], summary.stored_row(after.info)["star"]) == ("odd", True)
    assert "note" not in json.loads((folder / "turn.json").read_bytes())


def test_in_memory_a_note_lives_as_long_as_its_turn(recording, make_turn):
    made = recording()
    channel = made.store.open(make_turn()).channel
    assert summary.row(channel, 0)["note"] == ""
    notes.keep(channel, Note("odd", star=True))
    assert notes.of(channel) == Note("odd", star=True)
    row = summary.row(channel, 0)
    assert (row["note"], row["star"]) == ("odd", True)
    gc.collect()
    assert notes.of(channel) == Note("odd", star=True)
