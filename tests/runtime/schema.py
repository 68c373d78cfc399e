"""The language server's own message schema, read out of Google's runtime, and JSON checked against it by the letter.

The binary holds its protobuf file descriptors as they are. They are found by their names, and each is cut at the first
byte that is no field of a FileDescriptorProto. Facts: language-server-schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from tests.runtime.wire_types import extent

SERVICE = "exa.language_server_pb.LanguageServerService"
LONGEST = 200  # of a file's name
NAME = re.compile(rb"[A-Za-z0-9_./-]+")
ENDING = re.compile(rb"\.proto(?=[\x12\x1a\"*bB])")
TAIL = 64  # bytes behind a descriptor's end that may look like more of it


class Schema:
    """Every file whose imports are all there."""

    def __init__(self, files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._added: set[str] = set()
        self._files = files
        for name in sorted(files):
            self._add(name, ())

    @classmethod
    def of(cls, binary: Path) -> Schema:
        """Read once for each binary: what was found is kept beside it."""
        stat = binary.stat()
        kept = binary.with_name(f"schema-{stat.st_size}-{stat.st_mtime_ns}.pb")
        if not kept.exists():
            found = descriptor_pb2.FileDescriptorSet(file=scan(binary.read_bytes()).values())
            made = kept.with_suffix(".new")
            made.write_bytes(found.SerializeToString())
            made.replace(kept)
        files = descriptor_pb2.FileDescriptorSet.FromString(kept.read_bytes()).file
        return cls({file.name: file for file in files})

    def _add(self, name: str, path: tuple[str, ...]) -> bool:
        if name in self._added:
            return True
        file = self._files.get(name)
        if file is None or name in path or not all(self._add(other, (*path, name)) for other in file.dependency):
            return False
        self._pool.Add(file)
        self._added.add(name)
        return True

    def message(self, name: str) -> Any:
        """The descriptor of a message. Raises KeyError."""
        return self._pool.FindMessageTypeByName(name)

    @cached_property
    def methods(self) -> Mapping[str, Any]:
        """The language server's methods: name → descriptor, with ``input_type`` and ``output_type``."""
        return self._pool.FindServiceByName(SERVICE).methods_by_name

    def check(self, message: Any, value: Any) -> list[str]:
        """The deprecated members and enum values in ``value``, as paths. Raises ParseError when it is no ``message``:
        an unknown member, an unknown enum name, another type."""
        json_format.ParseDict(value, message_factory.GetMessageClass(message)())
        return list(_deprecated(message, value, ""))


def _deprecated(message: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return  # what JSON has a form of its own for: a timestamp …
    members = {name: field for field in message.fields for name in (field.json_name, field.name)}
    for name, inner in value.items():
        field, here = members[name], f"{path}.{name}".lstrip(".")
        if field.GetOptions().deprecated:
            yield here
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            field, kind = kind.fields_by_name["value"], kind.fields_by_name["value"].message_type
            inner = list(inner.values())
        for one in inner if isinstance(inner, list) else [inner]:
            if kind is not None:
                yield from _deprecated(kind, one, here)
            elif field.enum_type is not None and (found := field.enum_type.values_by_name.get(one)) is not None:
                yield from [f"{here}={one}"] if found.GetOptions().deprecated else []


# -- out of the binary ---------------------------------------------------------------------------------------------


def scan(data: bytes) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """File's name → the largest descriptor found under it."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for begin in _beginnings(data):
        file = _cut(data, begin, extent(data, begin))
        if file is not None and (file.name not in found or file.ByteSize() > found[file.name].ByteSize()):
            found[file.name] = file
    return found


def _beginnings(data: bytes) -> Iterator[int]:
    """Where a descriptor may begin: with field 1, its name, as long as it says."""
    for match in ENDING.finditer(data):
        for size in range(len(".proto"), LONGEST):
            name = match.end() - size
            head = bytes((0x0A, size)) if size < 128 else bytes((0x0A, size & 127 | 128, size >> 7))
            if data[name - len(head) : name] == head:
                if NAME.fullmatch(data, name, match.end()):
                    yield name - len(head)
                break


def _cut(data: bytes, begin: int, end: int) -> descriptor_pb2.FileDescriptorProto | None:
    """The descriptor that begins there, if there is one."""
    for stop in range(end, max(begin, end - TAIL), -1):
        try:
            file = descriptor_pb2.FileDescriptorProto.FromString(data[begin:stop])
        except Exception:  # noqa: BLE001 - of several kinds, by protobuf's implementation: cut a byte shorter
            continue
        for numbers in (file.public_dependency, file.weak_dependency):  # the tail may look like these
            kept = [number for number in numbers if 0 <= number < len(file.dependency)]
            del numbers[:]
            numbers.extend(kept)
        return file if file.message_type or file.enum_type or file.service or file.extension else None
    return None
