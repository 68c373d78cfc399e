"""Tests mirror modules: ``zerogravity/a/b.py`` is tested by ``tests/a/test_b.py``, as mitmproxy's are by its
``filename_matching``. Which tests are about more than one module is said here, and which modules still lack a file."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "zerogravity"
APART = {"clients", "e2e", "golden", "properties", "reality"}  # folders about the whole path
SMALL = 40  # lines of code up to which a module may be tested by its neighbours' tests

# tests about a room, or about several modules of it
OF_A_ROOM = {
    "backends/test_contract",  # what every back end must do
    "store/test_contract",  # what every store must do
    "surfaces/test_registry",  # all surfaces, and a toy that is added to them
    "backends/antigravity/test_turns",  # engine and driver against the stand-in
    "observe/exports/test_exports",  # what holds for every export
    "observe/inspector/test_browser",  # the page in a real browser
    "observe/inspector/test_static",  # the page's files
    "observe/test_surfaces",  # a recording through all surfaces
    "server/test_resume",
    "server/test_sdk",
    "surfaces/gemini/test_sdk",
    "surfaces/openai/test_shared_parameters",  # what Chat and Responses refuse alike
    "surfaces/responses/test_google",  # the stand-in's rules as a judge
    "surfaces/test_halves",
    "surfaces/test_must_not_happen",  # the list of known failures
    "surfaces/test_numbers",
    "surfaces/test_requests",  # what the requests of every surface share
    "surfaces/test_shapes",
    "test_arrows",
    "test_fault_table",
    "test_mirror",
    "test_readme",
    "test_scripts",
    "testing/test_serving",  # the commands as processes
}

# Modules without a test file of their own, held by their neighbours' tests. This list only gets shorter.
LACKING = {
    "capture/http2_reset",
    "capture/ls_answer",
    "cli/demo",
    "observe/digest",
    "observe/source",
    "observe/terminal",
    "observe/trace_folders",
    "observe/trace_reader",
    "observe/trace_writer",
    "server/app",
    "server/response_writer",
    "server/services",
    "server/status",
    "server/turns",
    "store/memory",
    "surfaces/chat/completion",
}


def code_lines(source: str) -> int:
    """Lines with code on them: neither blank, nor comment, nor docstring."""
    lines: set[int] = set()
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        if token.type != tokenize.NEWLINE:
            statement.append(token)
            continue
        if any(part.type != tokenize.STRING for part in statement):
            lines |= {line for part in statement for line in range(part.start[0], part.end[0] + 1)}
        statement = []
    return len(lines)


def names(root: Path, pattern: str) -> set[str]:
    return {path.relative_to(root).with_suffix("").as_posix() for path in root.rglob(pattern)}


def module_of(test: str) -> str:
    """``a/test_b`` → ``a/b``; ``a/test_init`` → ``a/__init__``."""
    room, _, name = test.rpartition("/")
    name = name.removeprefix("test_")
    return f"{room}/{'__init__' if name == 'init' else name}".removeprefix("/")


MODULES = names(PACKAGE, "*.py")
MIRRORS = {name for name in names(TESTS, "test_*.py") if name.partition("/")[0] not in APART}
TESTED = {module_of(test) for test in MIRRORS}


def test_every_test_file_has_its_module() -> None:
    strays = {test for test in MIRRORS - OF_A_ROOM if module_of(test) not in MODULES}
    assert not strays, "named after no module: rename them, or say in OF_A_ROOM what they are about"
    assert MIRRORS >= OF_A_ROOM, "gone: take them out of OF_A_ROOM"


def test_every_module_has_its_test_file_or_is_known_to_lack_it() -> None:
    large = {name for name in MODULES if code_lines((PACKAGE / f"{name}.py").read_text("utf-8")) > SMALL}
    lacking = large - TESTED
    assert not lacking - LACKING, "these need a test file of their own"
    assert not LACKING - lacking, "these are tested now, or gone: take them out of LACKING"


def test_what_counts_as_code() -> None:
    assert code_lines('"""Doc."""\n\n# why\nx = (\n    1,\n)\ndef f():\n    """Doc."""\n    return 1  # one\n') == 5
    assert module_of("a/test_b") == "a/b"
    assert module_of("test_b") == "b"
    assert module_of("a/test_init") == "a/__init__"
