"""Names of keys and channels in Redis, of this version of the layout. An entry and its frames share a hash tag, as the
index's three keys do: a script or transaction holds keys of one tag only.

| key                               | kind, of what                                                                |
|-----------------------------------|------------------------------------------------------------------------------|
| ``zerogravity:1:{OWNER/ID}:entry``  | hash: an entry, with ``version``, which grows with each write of it        |
| ``zerogravity:1:{OWNER/ID}:frames`` | stream: the frames of its answer, in batches                               |
| ``zerogravity:1:{OWNER/ID}:deleted``| an entry of that name has been deleted, and is not to come back            |
| ``zerogravity:1:{OWNER}:item:ID``   | set: ids of entries that have, or had, that item                           |
| ``zerogravity:1:{index}:…``         | what is kept by which version and size: see ``entries``                    |
| ``zerogravity:1:run:RUN``           | the lease of a running gateway                                             |
| ``zerogravity:1:secret``            | what all gateways seal ``encrypted_content`` with                          |
| ``zerogravity:1:usage``             | set: ids of gateways' files of usage; see ``usage``                        |
| ``zerogravity:1:usage:ID``          | hash: the sums of one such file, in JSON, by day                           |
| ``zerogravity:1:{OWNER/ID}:news``   | channel: frames have come                                                  |
| ``zerogravity:1:to:RUN``            | channel: commands to that gateway                                          |

``OWNER`` is a hash of the API key, or empty. A batch: id ``N-0``, where N - 1 is the number of its first frame; field
``f``: its frames, each after its length; the last one also has ``end``.
"""

from __future__ import annotations

PREFIX = "zerogravity:1:"
ENTRIES = f"{PREFIX}{{*}}:entry"  # a pattern
ORDER, CREATED, SIZES = (f"{PREFIX}{{index}}:{name}" for name in ("order", "created", "sizes"))
SECRET = f"{PREFIX}secret"
USAGE = f"{PREFIX}usage"


def entry(owner: str, entry_id: str) -> str:
    return f"{PREFIX}{{{member(owner, entry_id)}}}:entry"


def frames(owner: str, entry_id: str) -> str:
    return f"{PREFIX}{{{member(owner, entry_id)}}}:frames"


def deleted(owner: str, entry_id: str) -> str:
    return f"{PREFIX}{{{member(owner, entry_id)}}}:deleted"


def item(owner: str, item_id: str) -> str:
    return f"{PREFIX}{{{owner}}}:item:{item_id}"


def run(run: str) -> str:
    return f"{PREFIX}run:{run}"


def news(owner: str, entry_id: str) -> str:
    return f"{PREFIX}{{{member(owner, entry_id)}}}:news"


def usage(file_id: str) -> str:
    return f"{USAGE}:{file_id}"


def to(run: str) -> str:
    return f"{PREFIX}to:{run}"


def member(owner: str, entry_id: str) -> str:
    """An entry's name within the index."""
    return f"{owner}/{entry_id}"


def member_of(entry: str) -> str:
    """The same, of its key."""
    return entry.removeprefix(f"{PREFIX}{{").removesuffix("}:entry")


def named(member: str) -> tuple[str, str]:
    """The owner and the id of ``member``."""
    owner, _, entry_id = member.partition("/")
    return owner, entry_id
