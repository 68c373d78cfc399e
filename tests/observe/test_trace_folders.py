"""Names of trace folders, what is removed, what is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.recording import WALL
from zerogravity.observe import trace_folders


def test_only_our_own_folders_are_removed(tmp_path):
    for name in ("2026-02-02/024000-abcdefgh", "2026-02-02/mine", "other/024000-abcdefgh", "notes"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "2026-02-02" / "024001-abcdefgh").symlink_to(tmp_path / "elsewhere")
    assert trace_folders.sweep(tmp_path, max_bytes=0, max_age_s=0, now_s=2e9) == 0
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        "2026-02-02", "2026-02-02/024001-abcdefgh", "2026-02-02/mine", "2026-02-02/mine/file", "elsewhere", "notes",
        "notes/file", "other", "other/024000-abcdefgh", "other/024000-abcdefgh/file",
    ]  # fmt: skip


@pytest.mark.parametrize("bad", ["../../etc", "turn_../../etc/passwd", "turn_short", "resp_" + "0" * 32, ""])
def test_no_path_is_made_of_a_strange_id(tmp_path, bad):
    with pytest.raises(ValueError, match="not the id"):
        trace_folders.create(tmp_path, bad, 0)
    assert list(tmp_path.iterdir()) == []


def test_recordings_of_older_versions_are_found(tmp_path):
    for name in ("024000-abcdefgh", "024000007-bbcdefgh", "023959999-cbcdefgh"):
        (tmp_path / "2026-02-02" / name).mkdir(parents=True)
    names = [folder.name for folder in trace_folders.newest_first(tmp_path)]
    assert names == ["024000007-bbcdefgh", "024000-abcdefgh", "023959999-cbcdefgh"]
    assert [trace_folders.started(folder) for folder in trace_folders.newest_first(tmp_path)] == [
        WALL + 0.007, WALL, WALL - 0.001,
    ]  # fmt: skip


def made(root, name, size, note=None):
    folder = root / "2026-02-02" / f"{name}-abcdefgh"
    folder.mkdir(parents=True)
    (folder / "turn.json").write_bytes(bytes(size))
    if note is not None:
        (folder / "note.json").write_text(note)


STAR = '{"star":true}'  # 13 bytes


@pytest.mark.parametrize(
    ("max_bytes", "max_age_s", "left"),
    [
        (1000, 1e9, "abcd"), (1000, 0, "bd"), (330, 1e9, "abd"), (230, 1e9, "bd"), (120, 1e9, "b"), (100, 1e9, ""),
        (430, 90, "abd"),
    ],
)  # fmt: skip
def test_starred_traces_outlive_others_within_the_size(tmp_path, max_bytes, max_age_s, left):
    """a, b (starred), c and d (starred) are 100 bytes each and a minute apart, a the newest."""
    for time, note in (("024300", None), ("024200", STAR), ("024100", None), ("024000", STAR)):
        made(tmp_path, time, 100, note)
    removed = []
    held = trace_folders.sweep(
        tmp_path, max_bytes=max_bytes, max_age_s=max_age_s, now_s=WALL + 240, on_removed=removed.append
    )
    names = {"024300": "a", "024200": "b", "024100": "c", "024000": "d"}
    kept = sorted(names[folder.name[:6]] for folder in trace_folders.newest_first(tmp_path))
    assert "".join(kept) == left
    assert held == sum(100 + 13 * (name in "bd") for name in kept)
    assert len(removed) == 4 - len(kept)


@pytest.mark.parametrize(
    ("index", "max_bytes", "left", "held"),
    [(0, 300, 3, 300), (100, 300, 2, 300), (60, 300, 2, 260), (1000, 300, 1, 1100), (1000, 3000, 3, 1300)],
)
def test_the_index_takes_its_part_of_the_bytes(tmp_path, index, max_bytes, left, held):
    for time in ("024000", "024100", "024200"):
        made(tmp_path, time, 100)
    (tmp_path / "index.sqlite").write_bytes(bytes(index // 2))
    (tmp_path / "index.sqlite-wal").write_bytes(bytes(index // 2))
    assert trace_folders.sweep(tmp_path, max_bytes=max_bytes, max_age_s=1e9, now_s=WALL) == held
    assert len(list(trace_folders.newest_first(tmp_path))) == left


@pytest.mark.parametrize(("now_s", "keep", "left"), [(61, False, 1), (61, True, 2), (59, False, 2)])
def test_a_folder_that_never_became_a_trace_is_removed(tmp_path, now_s, keep, left):
    made(tmp_path, "024000", 1)
    empty = tmp_path / "2026-02-02" / "024000-bbcdefgh"
    empty.mkdir()
    (empty / "generate.json.tmp").touch()
    trace_folders.sweep(
        tmp_path, max_bytes=1000, max_age_s=1e9, now_s=WALL + now_s, keep=[empty] if keep else []
    )  # fmt: skip
    assert len(list(trace_folders.newest_first(tmp_path))) == left


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    trace_folders.write(tmp_path / "turn.json", b"old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        trace_folders.write(tmp_path / "turn.json", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("turn.json", b"old")]


def test_all_files_are_private_and_go_through_no_link(tmp_path):
    umask = os.umask(0)
    try:
        for number, put in enumerate((trace_folders.put, trace_folders.append, trace_folders.write)):
            file, link = tmp_path / f"file{number}", tmp_path / f"link{number}"
            for data in (b"old", b"new"):
                put(str(file), data)
            assert (file.read_bytes(), file.stat().st_mode & 0o777) == ((b"new", b"oldnew", b"new")[number], 0o600)
            link.symlink_to(file)
            if put is trace_folders.write:  # which takes the link's place
                link = link.rename(tmp_path / "other.tmp")
                with pytest.raises(OSError, match="symbolic"):
                    put(tmp_path / "other", b"x")
            else:
                with pytest.raises(OSError, match="symbolic"):
                    put(link, b"x")
            assert file.read_bytes() != b"x"
    finally:
        os.umask(umask)


def test_a_trace_is_removed_with_its_day(tmp_path):
    made(tmp_path, "024000", 1)
    made(tmp_path, "024001", 1)
    first, second = trace_folders.newest_first(tmp_path)
    trace_folders.remove(first)
    assert second.exists()
    trace_folders.remove(second)
    trace_folders.remove(second)
    assert list(tmp_path.iterdir()) == []


def test_changes_are_told_by_name(tmp_path):
    made(tmp_path, "024000", 1)
    (tmp_path / "024001-abcdefgh").mkdir()
    (tmp_path / "other").mkdir()
    before = dict(trace_folders.changes(tmp_path))
    assert list(before) == ["2026-02-02/024000-abcdefgh", "024001-abcdefgh"]
    assert before["024001-abcdefgh"] == (tmp_path / "024001-abcdefgh").stat().st_mtime_ns
    assert list(trace_folders.changes(tmp_path / "nowhere")) == []
