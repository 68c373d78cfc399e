"""Google's hosts of its models, in one table: what proxy mode intercepts, and what our authority may sign for. And
which hosts are this machine, a free port of it, and how many may wait at a port that is listened on.

Facts: language-server-and-google C.1, E; antigravity-runtime. Vertex has a host for each region, for which there is no
common name constraint, so they are listed; a region that is missing here is tunnelled.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from ipaddress import ip_address

DAILY = "daily-cloudcode-pa.googleapis.com"
CODE_ASSIST = (
    "cloudcode-pa.googleapis.com",
    DAILY,
    "daily-cloudcode-pa.sandbox.googleapis.com",
)
PUBLIC = ("generativelanguage.googleapis.com",)
REGIONS = (
    "africa-south1",
    *("asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3"),
    *("asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "asia-southeast3"),
    *("australia-southeast1", "australia-southeast2"),
    *("europe-central2", "europe-north1", "europe-north2", "europe-southwest1"),
    *("europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6"),
    *("europe-west8", "europe-west9", "europe-west10", "europe-west12"),
    *("me-central1", "me-central2", "me-west1"),
    *("northamerica-northeast1", "northamerica-northeast2", "northamerica-south1"),
    *("southamerica-east1", "southamerica-west1"),
    *("us-central1", "us-east1", "us-east4", "us-east5", "us-south1"),
    *("us-west1", "us-west2", "us-west3", "us-west4"),
)
VERTEX = (
    "aiplatform.googleapis.com",
    "aiplatform.us.rep.googleapis.com",
    "aiplatform.eu.rep.googleapis.com",
    *(f"{region}-aiplatform.googleapis.com" for region in REGIONS),
)
GOOGLE_HOSTS = (*CODE_ASSIST, *PUBLIC, *VERTEX)
MAX_AUTHORITY_DAYS = 90  # how long an authority may sign for them
_KNOWN = frozenset(GOOGLE_HOSTS)
BACKLOG = 1024  # connections that may come at once; one that finds no room comes again after seconds
GOOGLE = f"https://{DAILY}"  # where an editor's language server makes its calls


def is_google(host: str | None) -> bool:
    """Whether it is one of them, in any spelling."""
    return host is not None and host.lower().rstrip(".") in _KNOWN


def is_loopback(host: str | None) -> bool:
    """Whether only this machine reaches that host name or address."""
    try:
        return host == "localhost" or ip_address((host or "").removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def free_port() -> int:
    """A free TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def widen(listening: Iterable[socket.socket]) -> None:
    """Let ``BACKLOG`` connections wait to be accepted, whatever whoever listens there has asked for."""
    for one in listening:
        with socket.socket(fileno=os.dup(one.fileno())) as same:  # those that asyncio shows cannot be told anything
            same.listen(BACKLOG)
