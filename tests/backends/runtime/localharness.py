"""Stand-in of the runtime: its handshake and its WebSocket, and whatever can go wrong with them. Standard library only,
so that it starts at once. Beside it lie ``behaviour.json``, read at each start, and ``starts.jsonl``, which it writes.

Behaviour:
    start    what it does instead of shaking hands: ``crash``, ``hang``, ``wrong`` (other bytes), ``cut`` (half of
             them), ``closed`` (it closes stdout and stays)
    said     what it writes to stderr first
    deaf     it minds neither the end of stdin nor SIGTERM
    noise    bytes written to stdout after the handshake; then the file ``drained`` is made
    child    it has a child of its own
    config   instead of beginning a conversation: ``refuse``, ``hang``, ``nonsense``
    turn     what it sends for a text: JSON values, or texts as they are, or ``crash``, ``hangup``, ``hang``
"""

import base64
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
BEHAVIOUR = json.loads((HERE / "behaviour.json").read_text())
KEY = "stand-in-socket-key"
IDLE = {"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE"}}
forever = threading.Event().wait


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes((value & 127 | 128,)), value >> 7
    return out + bytes((value,))


def note(file, value):
    with (HERE / file).open("a") as out:
        out.write(json.dumps(value) + "\n")


def exactly(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def hear(stream):
    """(opcode, payload) of the next frame of a client."""
    first, second = exactly(stream, 2)
    size = second & 127
    if size > 125:
        size = int.from_bytes(exactly(stream, 2 if size == 126 else 8), "big")
    mask, data = exactly(stream, 4), exactly(stream, size)
    return first & 15, bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


def say(connection, text, opcode=1):
    data = text.encode() if isinstance(text, str) else text
    head = bytes((128 | opcode,))
    if len(data) < 126:
        head += bytes((len(data),))
    else:
        head += (
            bytes((126,)) + struct.pack(">H", len(data))
            if len(data) < 1 << 16
            else b"\x7f" + struct.pack(">Q", len(data))
        )
    connection.sendall(head + data)


def shake(connection, stream):
    """The HTTP part. Whether the client knows the key."""
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    if headers.get("x-goog-api-key") != KEY:
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        return False
    accept = hashlib.sha1(headers["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + base64.b64encode(accept)
        + b"\r\n\r\n"
    )
    return True


def conversation(connection):
    with connection, connection.makefile("rb") as stream:
        try:
            if shake(connection, stream):
                talk(connection, stream)
        except (EOFError, OSError):
            note("heard.jsonl", "gone")


def talk(connection, stream):
    while True:
        opcode, data = hear(stream)
        if opcode == 8:
            say(connection, data, 8)
            note("heard.jsonl", "goodbye")
            return
        message = json.loads(data)
        note("heard.jsonl", message)
        if "config" in message:
            match BEHAVIOUR.get("config"):
                case "refuse":
                    print("cascade_id must be at least 32 characters long", file=sys.stderr, flush=True)
                    return
                case "hang":
                    continue
                case "nonsense":
                    say(connection, "{}")
                case _:
                    given = message["config"]
                    kept = Path(given["appDataDir"], "brain", given["cascadeId"])
                    kept.mkdir(parents=True)
                    (kept / "said").write_text("secret")
                    say(connection, json.dumps({"initializeConversationResponse": {"cascadeId": given["cascadeId"]}}))
        elif "haltRequest" in message:
            say(connection, json.dumps(IDLE))
        elif "userInput" in message:
            for one in BEHAVIOUR.get("turn", [IDLE]):
                match one:
                    case "crash":
                        print("panic: no more", file=sys.stderr, flush=True)
                        os._exit(2)
                    case "hangup":
                        return
                    case "hang":
                        break
                    case {"huge": size}:
                        say(connection, '{"stepUpdate":{"text":"' + "x" * size + '"}}')
                    case _:
                        say(connection, one if isinstance(one, str) else json.dumps(one))


def main():
    if BEHAVIOUR.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"]) if BEHAVIOUR.get("child") else None
    if said := BEHAVIOUR.get("said"):
        print(said, file=sys.stderr, flush=True)
    size = int.from_bytes(sys.stdin.buffer.read(4), "little")
    greeting = sys.stdin.buffer.read(size)
    note("starts.jsonl", {
        "pid": os.getpid(), "child": child and child.pid, "greeting": greeting.hex(), "environment": dict(os.environ),
        "arguments": sys.argv[1:], "folder": str(Path.cwd()),
    })  # fmt: skip
    match BEHAVIOUR.get("start"):
        case "crash":
            sys.exit(3)
        case "hang":
            forever()
        case "closed":
            os.close(1)
            forever()
        case _:
            pass
    server = socket.create_server(("127.0.0.1", 0))
    message = b"\x08" + varint(server.getsockname()[1]) + b"\x12" + varint(len(KEY)) + KEY.encode()
    answer = len(message).to_bytes(4, "little") + message
    answer = {"wrong": b"usage: localharness", "cut": answer[:7]}.get(BEHAVIOUR.get("start"), answer)
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
    if BEHAVIOUR.get("start") == "cut":
        sys.exit(0)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    if noise := BEHAVIOUR.get("noise"):
        sys.stdout.buffer.write(b"x" * noise)
        sys.stdout.flush()
        (HERE / "drained").touch()
    while sys.stdin.buffer.read(1 << 16):
        pass
    if BEHAVIOUR.get("deaf"):
        forever()


def serve(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=conversation, args=(connection,), daemon=True).start()


main()
