"""mitmdump's own recordings of our calls: a flow file and a HAR with the bodies that have streamed by."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
from mitmproxy.io import FlowReader

from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.e2e


async def test_flow_files_and_har_have_the_streamed_bodies(tmp_path: Path) -> None:
    files = {"save_stream_file": str(tmp_path / "flows"), "hardump": str(tmp_path / "all.har")}
    async with Stack(StackOptions(mitm_settings=files)) as stack, aiohttp.ClientSession() as http:
        for prompt, status in (("sim:think", 200), ("sim:unicode", 200), ("sim:drop", 502)):
            body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": prompt}]}
            async with http.post(f"{stack.url}/v1/chat/completions", json=body) as answer:
                assert answer.status == status
    with (tmp_path / "flows").open("rb") as file:
        flows = [flow for flow in FlowReader(file).stream() if flow.comment.startswith("turn_")]
    entries = json.loads((tmp_path / "all.har").read_text())["log"]["entries"]
    texts = [entry["response"]["content"]["text"] for entry in entries if "enerateContent" in entry["request"]["url"]]
    assert len(flows) == 3
    for flow in flows:
        assert flow.response.text.startswith('data: {"response": {"candidates"')
        assert flow.response.text in texts
