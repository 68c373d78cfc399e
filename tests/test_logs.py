"""Log lines: no secret gets past the place where records are made, whoever logs and whoever prints."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from mitmproxy.log import MitmFormatter

from tests.test_redact import SECRETS
from zerogravity import logs

SECRET = "sk-abcdefgh1234567890"
NAMES = ["zerogravity", "zerogravity.access", "zerogravity.newest.room", "aiohttp.server", "mitmproxy.proxy", "asyncio",
         "anything"]  # fmt: skip
FORMATS = {
    "plain": lambda: logging.Formatter("%(message)s"),
    "mitmproxy": lambda: MitmFormatter(colorize=False),
    "coloured": lambda: MitmFormatter(colorize=True),
}


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    logs.install()
    yield
    logging.setLogRecordFactory(before)


@pytest.fixture(params=FORMATS)
def printed(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a handler at the root prints."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMATS[request.param]())
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
def test_messages_and_arguments(printed: io.StringIO, name: str, level: int) -> None:
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.log(level, "with %s in it", SECRET)
    logger.log(level, f"with {SECRET} in it")
    logger.log(level, "with %(key)s in it", {"key": SECRET})
    logger.log(level, "%s", ValueError(SECRET))
    logger.setLevel(logging.NOTSET)
    assert SECRET not in printed.getvalue()
    assert printed.getvalue().count("with [redacted] in it") == 3


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:12])
def test_every_kind_of_secret(printed: io.StringIO, secret: str) -> None:
    logging.getLogger("zerogravity.server").warning("it said %s", secret)
    assert secret not in printed.getvalue()


def test_tracebacks_with_their_causes(printed: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        try:
            raise KeyError("the cause")
        except KeyError as error:
            error.add_note(f"a note with {SECRET}")
            raise RuntimeError(f"Bearer {SECRET}") from error

    logger = logging.getLogger("zerogravity.engine")
    try:
        fail()
    except RuntimeError:
        logger.exception("turn %s failed", "turn_1")
    try:
        raise ExceptionGroup("several", [ValueError(SECRET), OSError(f"password={SECRET}")])
    except ExceptionGroup:
        logger.warning("a group", exc_info=True)
    for place in (printed.getvalue(), *(str(record.__dict__) for record in caplog.records)):
        assert SECRET not in place
    assert "turn turn_1 failed\nTraceback" in printed.getvalue()
    assert "KeyError: 'the cause'" in printed.getvalue()
    assert "RuntimeError: Bearer [redacted]" in printed.getvalue()
    assert "ValueError: [redacted]" in printed.getvalue()


def test_a_record_without_secrets_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("zerogravity.engine")
    try:
        raise OSError("disk full")
    except OSError:
        logger.exception("%d of %s", 3, "x", stack_info=True)
    (record,) = caplog.records
    assert record.args == (3, "x")
    assert record.msg == "%d of %s"
    assert record.exc_info is not None
    assert record.stack_info


class Unprintable:
    def __str__(self) -> str:
        raise ArithmeticError(SECRET)


@pytest.mark.parametrize(
    "arguments", [("%s", Unprintable()), ("%d", SECRET), ("%s %s", SECRET)], ids=["words", "number", "too few"]
)
def test_a_line_that_cannot_be_made(
    printed: io.StringIO, capfd: pytest.CaptureFixture[str], arguments: tuple[object, ...]
) -> None:
    """The standard library would print its arguments to stderr."""
    logging.getLogger("zerogravity.engine").warning(*arguments)  # type: ignore[arg-type]
    assert "could not be redacted" in printed.getvalue()
    assert SECRET not in printed.getvalue() + "".join(capfd.readouterr())


def test_once_is_enough() -> None:
    before = logging.getLogRecordFactory()
    logs.install()
    assert logging.getLogRecordFactory() is before
