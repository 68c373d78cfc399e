"""Google for load: ``python -m rig.google IDENTITY.pem`` prints its port, and streams stamped events.

It speaks HTTP/2 to a client that offers it (ALPN), and HTTP/1.1 to others.
A prompt says which: ``sim:bench COUNT MS SIZE LULL``: COUNT events of SIZE bytes of text, one each MS (0: as fast as
they go). With LULL, so that set-up, stream and end can be told apart, there is so much silence (ms) after the first,
and the end waits until somebody has asked for ``/release``. ``sim:hold``: two events; the second waits for that as
well. Text: ``@NUMBER:NANOSECONDS ``, the monotonic time at which it was sent.
"""

from __future__ import annotations

import asyncio
import gc
import re
import ssl
import sys
import time

from rig import http2, wire

PROMPT = re.compile(rb"sim:(bench|hold)(?: (\d+))?(?: (\d+))?(?: (\d+))?(?: (\d+))?")
BATCH = 128  # events of a flood that go out in one write, each a piece of its own
HEAD = (
    b'{"candidates": [{"content": {"parts": [{"text": "%b"}],"role": "model"}%b,"index": 0}]%b,'
    b'"modelVersion": "gemini-3-flash","responseId": "bench-response-00000"}'
)
FINISH = b',"finishReason": "STOP"'
USAGE = b',"usageMetadata": {"promptTokenCount": 9,"candidatesTokenCount": 9,"totalTokenCount": 18}'


class Forms:
    """The bytes of events, with the envelope of v1internal or without."""

    def __init__(self, *, internal: bool) -> None:
        self._internal = internal
        mark = b"@MARK@"
        self._head, _, self._tail = self._event(mark).partition(mark)
        self.last = self._event(b"", FINISH, USAGE)

    def _event(self, text: bytes, *more: bytes) -> bytes:
        inner = HEAD % (text, *(more or (b"", b"")))
        if self._internal:
            inner = b'{"response": %b,"traceId": "0123456789abcdef","metadata": {}}' % inner
        return b"data: %b\r\n\r\n" % inner

    def stamped(self, number: int, at: int, size: int) -> bytes:
        text = b"@%d:%d " % (number, at)
        return self._head + text.ljust(size, b".") + self._tail


INTERNAL, PUBLIC = Forms(internal=True), Forms(internal=False)


class Google:
    """All answers that run."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()

    def handle(self, request: wire.Request) -> None:
        if request.path == b"/release":
            released, self._released = self._released, asyncio.Event()
            released.set()
        if b"GenerateContent" not in request.path:
            request.answer.whole(200, b"{}")
            return
        task = asyncio.create_task(self._answer(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

        def gone() -> None:
            task.cancel()

        request.answer.gone = gone

    async def _answer(self, request: wire.Request) -> None:
        answer = request.answer
        forms = INTERNAL if request.path.startswith(b"/v1internal") else PUBLIC
        where = request.body.rfind(b"sim:")
        asked = PROMPT.match(request.body, where) if where >= 0 else None
        answer.begin(b"text/event-stream")
        if asked is None:
            answer.send(forms.stamped(0, time.monotonic_ns(), 40))
        elif asked[1] == b"hold":
            released = self._released
            answer.send(forms.stamped(0, time.monotonic_ns(), 40))
            await released.wait()
            answer.send(forms.stamped(1, time.monotonic_ns(), 40))
        else:
            count, ms, size, lull = (int(found or 0) for found in asked.groups()[1:])
            answer.send(forms.stamped(0, time.monotonic_ns(), size))
            if count > 1:
                await asyncio.sleep(lull / 1000)
            await (paced(answer, forms, count, ms / 1000, size) if ms else flood(answer, forms, count, size))
            if lull and count > 1:  # by the client's time: what it has not read yet is not sent in silence
                await self._released.wait()
            await asyncio.sleep(lull / 1000 if count == 1 else 0)
        answer.end(forms.last)


async def paced(answer: wire.Answer, forms: Forms, count: int, gap: float, size: int) -> None:
    loop = asyncio.get_running_loop()
    moment = loop.time()
    for number in range(1, count):
        moment = max(moment + gap, loop.time() - 0.05)
        await asyncio.sleep(moment - loop.time())
        answer.send(forms.stamped(number, time.monotonic_ns(), size))


async def flood(answer: wire.Answer, forms: Forms, count: int, size: int) -> None:
    for start in range(1, count, BATCH):
        now = time.monotonic_ns()
        numbers = range(start, min(start + BATCH, count))
        answer.send(*[forms.stamped(number, now, size) for number in numbers])
        await asyncio.sleep(0)
        await answer.drain()


async def main(identity: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    context.set_alpn_protocols(["h2", "http/1.1"])
    print(await wire.listen(Google().handle, context, http2.Chosen), flush=True)
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
