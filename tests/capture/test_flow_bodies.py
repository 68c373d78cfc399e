"""Streamed answers in mitmproxy's own flow files and HAR: what Google sent, not what the language server got."""

from __future__ import annotations

import json

import pytest
from mitmproxy import io as flow_io
from mitmproxy.addons import save, savehar
from mitmproxy.test import taddons, tflow, tutils

from zerogravity.capture import flow_bodies
from zerogravity.capture.tap import Tap
from zerogravity.core.running import RunningTurn

CALL = b'{"response":{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}}'
TEXT = '{"response":{"candidates":[{"content":{"parts":[{"text":"ä"}]},"finishReason":"STOP"}]}}'.encode()
SENT = b"data: " + CALL + b"\r\n\r\n" + b"data: " + TEXT + b"\r\n\r\n"


@pytest.fixture
def running(clock, make_turn):
    return RunningTurn(make_turn(), clock)


@pytest.fixture
def channel(running):
    return running.channel


def tapped(running, body=SENT, *, attempt_no=0, content_type="text/event-stream", ended=True):
    """A flow after its answer has gone through the tap, as mitmproxy leaves it: without a body."""
    headers = ((b"content-type", content_type.encode()), (b"transfer-encoding", b"chunked"))
    flow = tflow.tflow(
        req=tutils.treq(path=b"/v1internal:streamGenerateContent"), resp=tutils.tresp(content=b"", headers=headers)
    )
    flow.metadata[flow_bodies.ATTEMPT] = attempt_no
    flow.comment = running.id
    tap = Tap(running, attempt_no, content_type=content_type)
    for piece in (body[:40], body[40:]) + ((b"",) if ended else ()):
        tap.feed(piece)
    return flow


def test_the_body_is_what_google_sent(running, channel):
    flow = tapped(running)
    flow_bodies.fill(flow, channel)
    assert flow.response.content == SENT
    assert "ä" in flow.response.text


def test_each_attempt_of_a_turn_has_its_own(running, channel):
    thinking = (
        b'{"response":{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]},"finishReason":"STOP"}]}}'
    )
    first = tapped(running, b"data: " + thinking + b"\r\n\r\n")
    second = tapped(running, SENT, attempt_no=1)
    flow_bodies.fill(first, channel)
    flow_bodies.fill(second, channel)
    assert first.response.content == b"data: " + thinking + b"\r\n\r\n"
    assert second.response.content == SENT


def test_a_running_answer_as_far_as_it_has_come(running, channel):
    flow = tapped(running, SENT[:-8], ended=False)
    flow_bodies.fill(flow, channel)
    assert flow.response.content == b"data: " + CALL + b"\r\n\r\n"


@pytest.mark.parametrize("body", [TEXT, b"[" + CALL + b",\n" + TEXT + b"]"])
def test_a_json_body_stays_json(running, channel, body):
    flow = tapped(running, body, content_type="application/json")
    flow_bodies.fill(flow, channel)
    assert json.loads(flow.response.content) == json.loads(body)


def test_data_in_several_lines_stays_one_event(running, channel):
    flow = tapped(running, b'data: {"a":\ndata: 1}\n\n')
    flow_bodies.fill(flow, channel)
    assert flow.response.content == b'data: {"a":\r\ndata: 1}\r\n\r\n'


def test_compressed_answers_are_shown_plain(running, channel):
    flow = tapped(running)
    flow.response.headers["content-encoding"] = "gzip"
    flow_bodies.fill(flow, channel)
    assert flow.response.content == SENT


def test_other_flows_are_left_alone(channel):
    flow = tflow.tflow(resp=True)
    flow_bodies.fill(flow, channel)
    assert flow.response.content == b"message"
    flow_bodies.fill(tflow.tflow(), channel)


def test_har_of_mitmproxy_itself(running, channel, tmp_path):
    flow = tapped(running)
    flow_bodies.fill(flow, channel)
    exporter = savehar.SaveHar()
    with taddons.context(exporter):
        exporter.export_har([flow], str(tmp_path / "a.har"))
    (entry,) = json.loads((tmp_path / "a.har").read_text())["log"]["entries"]
    assert entry["response"]["content"]["text"] == SENT.decode()
    assert entry["response"]["content"]["size"] == len(SENT)


def test_flow_files_of_mitmproxy_itself(running, channel, tmp_path):
    flow = tapped(running)
    flow_bodies.fill(flow, channel)
    addon = save.Save()
    with taddons.context(addon) as context:
        context.configure(addon, save_stream_file=str(tmp_path / "flows"))
        addon.request(flow)
        addon.response(flow)
        context.configure(addon, save_stream_file=None)
    with (tmp_path / "flows").open("rb") as file:
        (read,) = flow_io.FlowReader(file).stream()
    assert read.response.content == SENT
    assert read.comment == channel.id


@pytest.mark.parametrize(
    ("options", "view", "kept"),
    [({}, False, False), ({"hardump": "-"}, False, True), ({"save_stream_file": "x"}, False, True), ({}, True, True)],
)
def test_bodies_are_copied_only_if_flows_are_kept(options, view, kept):
    class View:
        name = "view"

    with taddons.context() as context:
        assert not flow_bodies.flows_are_kept(), "options that are not there are no keepers"
        for name in flow_bodies.KEEPERS:
            context.options.add_option(name, str | None, None, "")
        if view:
            context.master.addons.add(View())
        context.options.update(**options)
        assert flow_bodies.flows_are_kept() is kept
