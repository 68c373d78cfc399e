"""Client request → the request that reaches Google, against golden files; each of these is one that Google accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import FILES, HERE, load, ls_body, outcome, parsed, sent, update
from tests.judging import complaint

CASES = [
    pytest.param(path.parent.name, case, id=f"{path.relative_to(HERE).with_suffix('')}: {case['name']}")
    for path in FILES
    for case in load(path)
]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(HERE)) for path in FILES])
def test_the_files(path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden", default=False):
        update(path)
    names = [case["name"] for case in load(path)]
    assert len(set(names)) == len(names)


def test_there_are_enough() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize(("surface", "case"), CASES)
def test_what_reaches_google(surface: str, case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden", default=False):
        pytest.skip("just written; run again to compare")
    made = outcome(surface, case)
    assert made == {name: case[name] for name in ("google", "refused", "notes") if name in case}


@pytest.mark.parametrize(("surface", "case"), [param for param in CASES if "google" in param.values[1]])
def test_google_accepts_it(surface: str, case: dict[str, Any]) -> None:
    turn = parsed(surface, case)
    body, own = sent(turn), ls_body(turn)
    assert complaint(body) is None
    for name in ("project", "requestId", "userAgent", "requestType"):
        assert body[name] == own[name]
    for name in ("labels", "sessionId"):
        assert body["request"][name] == own["request"][name]
