"""What a client sees of an answer, also where its body does not end well."""

from __future__ import annotations

import aiohttp


async def to_the_end(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """(everything that came, whether the body ended well)"""
    data = bytearray()
    try:
        async for piece in answer.content.iter_any():
            data += piece
    except aiohttp.ClientPayloadError:
        answer.close()
        return bytes(data), False
    return bytes(data), True
