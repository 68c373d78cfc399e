"""The limit of open files: raised as far as may be, never lowered."""

from __future__ import annotations

import resource

import pytest

from zerogravity import open_files
from zerogravity.open_files import WANTED

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((256, INFINITE), (WANTED, INFINITE)),
        ((256, 1 << 20), (WANTED, 1 << 20)),
        ((256, 4096), (4096, 4096)),
        ((256, 256), None),
        ((1 << 16, 1 << 20), None),
        ((INFINITE, INFINITE), None),
    ],
)
@pytest.mark.parametrize("error", [None, ValueError("not allowed to raise maximum limit"), OSError()])
def test_the_limit(
    before: tuple[int, int], after: tuple[int, int] | None, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def limit(_: int, limits: tuple[int, int]) -> None:
        asked.append(limits)
        if error is not None:
            raise error

    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", limit)
    open_files.allow_many()
    assert asked == ([] if after is None else [after])
