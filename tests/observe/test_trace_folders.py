"""Names of trace folders, what is removed, what is found."""

from __future__ import annotations

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
