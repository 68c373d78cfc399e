"""What Google sent, put into the flow of a streamed answer: mitmproxy keeps no streamed bodies, so its HAR, its flow
files and its views would show an empty one. The channel has the bytes; they are copied only if flows are kept.
"""

from __future__ import annotations

from mitmproxy import ctx, http

from zerogravity.capture import mitm
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptClosed, AttemptOpened

ATTEMPT = "zerogravity.attempt"  # in a tapped flow's metadata: which attempt of its turn it is
KEEPERS = ("hardump", "save_stream_file")  # options of mitmproxy that write flows


def flows_are_kept() -> bool:
    """Whether flows outlive their call: in a view (mitmweb, mitmproxy), a flow file or a HAR."""
    return mitm.addon("view") is not None or any(getattr(ctx.options, name, None) for name in KEEPERS)


def body(channel: CascadeChannel, attempt_no: int, *, json: bool = False) -> bytes:
    """Google's body of one attempt as far as it has come, uncompressed; ``json``: it was no event stream."""
    pieces = [
        record.data
        for record in channel.records
        if record.attempt_no == attempt_no
        and record.data
        and not (record.events and isinstance(record.events[0], AttemptOpened | AttemptClosed))
    ]
    if json:
        return pieces[0] if len(pieces) == 1 else b"[" + b",\n".join(pieces) + b"]"
    return b"".join(_event(data) for data in pieces)


def fill(flow: http.HTTPFlow, channel: CascadeChannel) -> None:
    """Give a tapped flow its body, in the hooks at the end of its answer, when nothing is sent any more."""
    attempt_no = flow.metadata.get(ATTEMPT)
    if flow.response is None or not isinstance(attempt_no, int):
        return
    headers = mitm.headers(flow.response)
    content_type = headers.get("content-type", "")
    headers.pop("content-encoding", None)
    if content_type.strip().lower() == "text/event-stream":
        headers["content-type"] = f"{content_type}; charset=utf-8"  # always; mitmproxy would assume Latin-1
    flow.response.raw_content = body(channel, attempt_no, json="json" in content_type)


def _event(data: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\r\n" for line in data.split(b"\n")) + b"\r\n"
