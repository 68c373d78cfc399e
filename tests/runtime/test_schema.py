"""The schema that is read out of the binary, and what counts as against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, json_format

from tests.runtime.schema import Schema, scan

STEPS = "exa.language_server_pb.GetCascadeTrajectoryStepsRequest"


@pytest.fixture(scope="module")
def schema(binary: Path) -> Schema:
    return Schema.of(binary)


def test_it_holds_the_whole_service(schema: Schema) -> None:
    assert len(schema.methods) > 300
    assert schema.methods["StreamAgentStateUpdates"].server_streaming
    assert schema.methods["StreamCascadeReactiveUpdates"].GetOptions().deprecated


def test_it_is_kept_beside_the_binary(binary: Path, schema: Schema) -> None:
    stat = binary.stat()
    kept = binary.with_name(f"schema-{stat.st_size}-{stat.st_mtime_ns}.pb")
    assert kept.exists()
    assert set(Schema.of(binary).methods) == set(schema.methods)


@pytest.mark.parametrize(
    ("body", "old"),
    [
        ({"cascadeId": "x", "stepOffset": 3}, []),
        ({"cascadeId": "x", "trajectoryVerbosity": "CLIENT_TRAJECTORY_VERBOSITY_FULL"}, []),
        ({"verbosity": "CLIENT_TRAJECTORY_VERBOSITY_DEBUG"},
         ["verbosity", "verbosity=CLIENT_TRAJECTORY_VERBOSITY_DEBUG"]),
    ],
)  # fmt: skip
def test_what_is_deprecated(schema: Schema, body: dict[str, Any], old: list[str]) -> None:
    assert schema.check(schema.message(STEPS), body) == old


@pytest.mark.parametrize(
    "body", [{"cascade": "x"}, {"cascadeId": 7}, {"stepOffset": -1}, {"trajectoryVerbosity": "ALL"}, [1]]
)
def test_what_is_no_such_message(schema: Schema, body: Any) -> None:
    with pytest.raises(json_format.ParseError):
        schema.check(schema.message(STEPS), body)


def test_descriptors_are_found_between_other_bytes() -> None:
    one = descriptor_pb2.FileDescriptorProto(name="a/b.proto", package="p")
    one.message_type.add(name="M").field.add(name="f", number=1, type=9, label=1)
    whole = descriptor_pb2.FileDescriptorProto(name="a/b.proto", package="p")
    whole.CopyFrom(one)
    whole.message_type.add(name="N")
    noise = b"\x00\xffsomething.proto\x12 else\n\x04"
    data = noise + one.SerializeToString() + b"\x00" * 9 + whole.SerializeToString() + b"\xff" + noise
    assert scan(data) == {"a/b.proto": whole}
    assert scan(noise * 3) == {}
