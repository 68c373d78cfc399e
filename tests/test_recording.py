"""What is kept of the turns of a store."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from zerogravity.compose import Base
from zerogravity.config import Config
from zerogravity.core.events import Finished
from zerogravity.observe import trace_reader
from zerogravity.observe.history import History
from zerogravity.observe.sessions import Sessions
from zerogravity.recording import recorded


async def keep(folder: Path, turn: Any, **settings: Any) -> Sessions:
    """One turn, from its start to its end."""
    base, sessions = Base.of(Config(data_dir=str(folder), **settings)), Sessions()
    async with recorded(base.config, base.store, base.health, base.budget, sessions):
        base.store.open(turn).close(Finished("stop"))
    return sessions


async def test_an_address_that_redis_clients_do_not_take_is_left_to_the_store_to_refuse(tmp_path, make_turn):
    await keep(tmp_path, make_turn(), store="redis://127.0.0.1:1/0?socket_timeout=x")


@pytest.mark.parametrize("trace", [True, False])
async def test_a_turn_leaves_its_trace_its_place_in_the_index_and_its_session(tmp_path, make_turn, trace):
    turn = make_turn(google_request={"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
    before = set(threading.enumerate())
    sessions = await keep(tmp_path, turn, trace=trace)
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert all(name.startswith("asyncio_") for name in left), left
    assert sessions.known(turn.id).session
    if not trace:
        assert not (tmp_path / "traces").exists()
        return
    (found,) = trace_reader.scan(tmp_path / "traces")
    (row,) = History(tmp_path / "traces").search().rows
    assert found.id == row["id"] == turn.id
    assert found.info["session"] == row["session"] == sessions.known(turn.id).session


async def test_a_session_goes_on_after_a_restart(tmp_path, make_turn):
    asked = [{"role": "user", "parts": [{"text": text}]} for text in ("hi", "and then?")]
    contents = [asked[0], {"role": "model", "parts": [{"text": "hello"}]}, asked[1]]
    first = make_turn(google_request={"contents": asked[:1]}, conversation="c1", client="codex")
    second = make_turn(google_request={"contents": contents}, conversation="c1", client="codex")
    before = (await keep(tmp_path, first)).known(first.id)
    assert (await keep(tmp_path, second)).known(second.id).session == before.session
