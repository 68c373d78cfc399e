"""Calls over kept connections, to Google and to the language server: no more than asyncio's own TLS and a reader.

``pool``         all calls and connections: which one goes out on which
``calls``        a request on its way, and its answer
``connections``  HTTP/1.1, one call at a time on each, or HTTP/2, many at once

The bytes of an answer reach the listener in the turn of the event loop that reads them, without a task. No mitmproxy in
here.
"""
