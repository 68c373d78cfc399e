"""One message to Google's runtime, without its SDK: the handshake of a process and one WebSocket, as small as can be.

Facts: antigravity-runtime (Start recipe).
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from google.protobuf.internal import decoder

BIND = bytes((3 << 3 | 2, len("127.0.0.1"))) + b"127.0.0.1"
LENGTH = struct.Struct("<I")


async def say(binary: Path, home: Path, url: str, text: str, **config: Any) -> str:
    """``text`` in a new conversation whose calls go to ``url``; the error it ended with, if it did. ``config``: further
    members of HarnessConfig."""
    process = await asyncio.create_subprocess_exec(
        str(binary), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(LENGTH.pack(len(BIND)) + BIND)
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        port, key = _listening(await process.stdout.readexactly(size))
        async with (
            asyncio.timeout(60),
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://127.0.0.1:{port}/", headers={"x-goog-api-key": key}) as socket,
        ):
            return await _converse(socket, home, url, text, config)
    finally:
        process.stdin.close()  # ends it
        await process.communicate()


async def _converse(socket: Any, home: Path, url: str, text: str, config: dict[str, Any]) -> str:
    endpoint = {"baseUrl": url, "apiKey": "k"}
    model = {"name": "gemini-3-flash", "types": ["MODEL_TYPE_TEXT"], "geminiApiEndpoint": endpoint}
    whole = {
        "cascadeId": str(uuid4()), "models": [model], "appDataDir": str(home),
        "systemInstructions": {"custom": {"part": [{"text": "x"}]}}, **config,
    }  # fmt: skip
    await socket.send_json({"config": whole})
    assert "initializeConversationResponse" in (await socket.receive_json())
    await socket.send_json({"userInput": {"parts": [{"text": text}]}})
    while True:
        update = json.loads((await socket.receive()).data).get("trajectoryStateUpdate", {})
        if update.get("state") == "STATE_FULLY_IDLE":
            return update.get("error", "")


def _listening(message: bytes) -> tuple[int, str]:
    """Port (field 1) and key (field 2) of OutputConfig."""
    read: Any = decoder._DecodeVarint
    port, at = read(message, 1)
    size, at = read(message, at + 1)
    return port, message[at : at + size].decode()
