"""Tests mirror modules: ``zerogravity/a/b.py`` is tested by ``tests/a/test_b.py``, as mitmproxy's are by its
``filename_matching``; a module without functions needs no test. Which tests are about more than one module is said
here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "zerogravity"
APART = {"clients", "e2e", "golden", "properties", "reality", "runtime"}  # folders about the whole path

# tests about a room, or about several modules of it
OF_A_ROOM = {
    "backends/test_contract",  # what every back end must do
    "store/test_contract",  # what every store must do
    "store/redis/test_gateways",  # several gateways on one server
    "backends/antigravity/test_turns",  # engine and driver against the stand-in
    "mcp/test_turns",  # whole turns against real servers
    "observe/test_said",  # a turn that was just written is indexed as one that is read back
    "observe/inspector/test_browser",  # the page in a real browser
    "observe/inspector/test_browser_list",  # the list, the search and the frame of the page in a real browser
    "observe/inspector/test_browser_actions",  # what the page can do with a turn, in a real browser
    "observe/inspector/test_browser_conversation",
    "observe/inspector/test_browser_prices",
    "observe/inspector/test_static",  # the page's files
    "observe/inspector/test_theme",  # its colours
    "observe/test_surfaces",  # a recording through all surfaces
    "server/test_resume",
    "server/test_sdk",
    "store/test_damage",  # entries that no store has written
    "surfaces/gemini/test_sdk",
    "surfaces/messages/test_answers_must_not",  # the list of known failures
    "surfaces/openai/test_shared_parameters",  # what Chat and Responses refuse alike
    "surfaces/responses/test_google",  # the stand-in's rules as a judge
    "surfaces/test_halves",
    "surfaces/test_must_not_happen",  # the list of known failures
    "surfaces/test_numbers",
    "surfaces/test_server_calls",  # calls that clients do not see
    "surfaces/test_requests",  # what the requests of every surface share
    "surfaces/test_shapes",
    "test_arrows",
    "test_container",
    "test_fault_table",
    "test_mirror",
    "test_readme",
    "test_scripts",
    "test_usage_everywhere",  # surfaces, metrics, traces and sums of one turn
    "test_wheel",
    "wire/test_http2_connection",
    "wire/test_http2_requests",
    "testing/test_serving",  # the commands as processes
}


def is_protocol(node: ast.ClassDef) -> bool:
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return any(ast.unparse(base).rpartition(".")[2] == "Protocol" for base in bases)


def has_functions(node: ast.AST) -> bool:
    """Whether a function is defined in it, at any depth; the methods of a Protocol only say what others define."""
    return any(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        or (not (isinstance(each, ast.ClassDef) and is_protocol(each)) and has_functions(each))
        for each in ast.iter_child_nodes(node)
    )


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


def test_every_module_with_functions_has_its_test_file() -> None:
    wanting = {name for name in MODULES if has_functions(ast.parse((PACKAGE / f"{name}.py").read_text("utf-8")))}
    assert not wanting - TESTED, "these need a test file of their own"


@pytest.mark.parametrize(
    ("source", "has"),
    [
        ("", False),
        ("from a import b\n__all__ = ['b']", False),
        ("X = {1: lambda: 2}", False),
        ("@dataclass\nclass A:\n    b: int = 1", False),
        ("class A(Protocol):\n    def b(self): ...", False),
        ("class A(typing.Protocol[T]):\n    def b(self): ...", False),
        ("if __name__ == '__main__':\n    main()", False),
        ("def a(): ...", True),
        ("async def a(): ...", True),
        ("if X:\n    def a(): ...", True),
        ("class A:\n    b: int\n    @property\n    def c(self): ...", True),
        ("class A:\n    class B:\n        def c(self): ...", True),
        ("class A(Protocol):\n    def b(self): ...\nclass C(A):\n    def b(self): ...", True),
    ],
)
def test_what_has_functions(source: str, has: bool) -> None:
    assert has_functions(ast.parse(source)) is has


def test_the_module_of_a_test() -> None:
    assert module_of("a/test_b") == "a/b"
    assert module_of("test_b") == "b"
    assert module_of("a/test_init") == "a/__init__"
