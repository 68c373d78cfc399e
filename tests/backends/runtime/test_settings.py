"""Settings and environment → the runtime's program, its login and where its calls go."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from zerogravity.backends.runtime import settings as module
from zerogravity.backends.runtime.settings import GIVE_KEY, GIVE_PROJECT, INSTALL, PATH_VARIABLE, Settings, Vertex

GEMINI, CLOUD, OWN = "key-of-gemini", "key-of-google", "key-of-ours"
PROJECT = {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "europe-west4"}
BY_VERTEX = {"GOOGLE_GENAI_USE_VERTEXAI": "true"}


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_installed", lambda: None)


def program(folder: Path, name: str = "localharness", mode: int = 0o700) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.touch()
    made.chmod(mode)
    return made


# -- its login ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "environment", "found", "vertex"),
    [
        (None, {}, "", None),
        (None, {"GEMINI_API_KEY": GEMINI}, GEMINI, None),
        (None, {"GOOGLE_API_KEY": CLOUD}, CLOUD, None),
        (None, {"GEMINI_API_KEY": GEMINI, "GOOGLE_API_KEY": CLOUD}, GEMINI, None),
        (None, {"GEMINI_API_KEY": "  ", "GOOGLE_API_KEY": f" {CLOUD}\n"}, CLOUD, None),
        (OWN, {"GEMINI_API_KEY": GEMINI}, OWN, None),
        (f"{OWN}\n", {}, OWN, None),
        (OWN, BY_VERTEX | {"GOOGLE_API_KEY": CLOUD}, OWN, Vertex()),
        (None, BY_VERTEX, "", Vertex()),
        (None, BY_VERTEX | {"GEMINI_API_KEY": GEMINI}, "", Vertex()),  # which is no key for Vertex
        (None, BY_VERTEX | {"GOOGLE_API_KEY": CLOUD}, CLOUD, Vertex()),
        (None, BY_VERTEX | PROJECT, "", Vertex("p", "europe-west4")),
        (None, BY_VERTEX | PROJECT | {"GOOGLE_API_KEY": CLOUD}, CLOUD, Vertex()),
        (None, {"GOOGLE_GENAI_USE_VERTEXAI": "1"}, "", Vertex()),
        (None, {"GOOGLE_GENAI_USE_ENTERPRISE": "True"}, "", Vertex()),
        (None, {"GOOGLE_GENAI_USE_VERTEXAI": "false", "GEMINI_API_KEY": GEMINI}, GEMINI, None),
        (None, PROJECT | {"GEMINI_API_KEY": GEMINI}, GEMINI, None),
    ],
)
def test_what_it_logs_in_with(
    key: str | None, environment: dict[str, str], found: str, vertex: Vertex | None, tmp_path: Path
) -> None:
    made = Settings.of(None, key, {"HOME": str(tmp_path)} | environment)
    assert (made.key, made.vertex) == (found, vertex)
    origins = {"": "", GEMINI: "GEMINI_API_KEY", CLOUD: "GOOGLE_API_KEY", OWN: "runtime_key"}
    assert made.key_from == origins[found]
    assert not found or found not in repr(made)


def test_the_file_of_a_projects_login(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": ""} | BY_VERTEX | PROJECT

    def login(**more: str) -> Path | None:
        found = Settings.of(None, None, environment | more).vertex
        assert found is not None
        return found.login

    usual = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    other = tmp_path / "other.json"
    assert login() is None
    usual.parent.mkdir(parents=True)
    usual.touch()
    other.touch()
    assert login() == usual
    assert login(GOOGLE_APPLICATION_CREDENTIALS=str(other)) == other
    assert login(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "gone.json")) is None
    assert login(GOOGLE_API_KEY=CLOUD) is None


@pytest.mark.parametrize(
    ("made", "google"),
    [
        (Settings(), "https://generativelanguage.googleapis.com"),
        (Settings(vertex=Vertex("p", "europe-west4")), "https://europe-west4-aiplatform.googleapis.com"),
        (Settings(vertex=Vertex("p", "global")), "https://aiplatform.googleapis.com"),
        (Settings(key=CLOUD, vertex=Vertex()), "https://aiplatform.googleapis.com"),
    ],
)
def test_where_its_calls_go(made: Settings, google: str) -> None:
    assert made.google == google


# -- its program -------------------------------------------------------------------------------------------------


def test_the_program_is_the_named_one_or_the_installed_one_or_the_first_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, variable, installed, on_path = (program(tmp_path / name) for name in ("a", "b", "c", "d"))
    environment = {"PATH": str(on_path.parent)}
    assert Settings.of(None, None, environment).binary == on_path
    assert Settings.of(None, None, {"PATH": ""}).binary is None
    monkeypatch.setattr(module, "_installed", lambda: installed)
    assert Settings.of(None, None, environment).binary == installed
    environment[PATH_VARIABLE] = str(variable)
    assert Settings.of(None, None, environment).binary == variable
    assert Settings.of(str(named), None, environment).binary == named
    assert Settings.of("", None, environment).binary == variable


def test_a_name_without_a_folder_is_looked_for_on_the_path(tmp_path: Path) -> None:
    there = program(tmp_path, "harness")
    assert Settings.of("harness", None, {"PATH": str(tmp_path)}).binary == there


def test_a_relative_path_is_one_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime is started in another folder."""
    there = program(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)
    assert Settings.of("bin/localharness", None, {}).binary == there
    monkeypatch.chdir(there.parent)
    assert Settings.of("./localharness", None, {"PATH": ""}).binary == there


def test_the_home_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = program(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.of("~/localharness", None, {}).binary == there


def test_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    there = program(tmp_path / "google" / "antigravity" / "bin")
    info = tmp_path / "google_antigravity-0.1.22.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: google-antigravity\nVersion: 0.1.22\n")
    record = info / "RECORD"
    record.write_text("google/antigravity/bin/localharness,,\n")
    (found,) = metadata.distributions(path=[str(tmp_path)])
    monkeypatch.setattr(metadata, "distribution", lambda _: found)
    assert Settings.of(None, None, {}).binary == there
    there.unlink()  # a broken installation
    assert Settings.of(None, None, {"PATH": ""}).binary is None
    record.unlink()
    assert Settings.of(None, None, {"PATH": ""}).binary is None


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def missing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", missing)
    assert Settings.of(None, None, {"PATH": ""}).binary is None


# -- what is missing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "code", "says", "remedy"),
    [
        (Settings(key=GEMINI), "ls_absent", "is not installed", INSTALL),
        (Settings(), "ls_absent", "is not installed", INSTALL),
        (Settings(key=GEMINI, named="/no/where"), "ls_absent", "/no/where is no program", "Set runtime_path"),
        (Settings(Path("/x")), "ls_not_logged_in", "no API key", GIVE_KEY),
        (
            Settings(Path("/x"), "AIza\r\nx: 1", key_from="GEMINI_API_KEY"),
            "ls_not_logged_in",
            "GEMINI_API_KEY",
            GIVE_KEY,
        ),
        (Settings(Path("/x"), "AIza “"), "ls_not_logged_in", "is no API key", GIVE_KEY),
        (Settings(Path("/x"), vertex=Vertex()), "ls_not_logged_in", "neither an API key nor", GIVE_PROJECT),
        (Settings(Path("/x"), vertex=Vertex("p")), "ls_not_logged_in", "neither an API key nor", GIVE_PROJECT),
    ],
)
def test_what_is_missing_is_said_with_a_remedy(made: Settings, code: str, says: str, remedy: str) -> None:
    fault = made.missing
    assert fault is not None
    assert (fault.code, fault.retryable) == (code, False)
    assert says in fault.message
    assert remedy in fault.remedy


@pytest.mark.parametrize("name", ["nothing", "a folder", "no program"])
@pytest.mark.parametrize("how", ["setting", "variable"])
def test_a_program_that_cannot_be_run_is_named(name: str, how: str, tmp_path: Path) -> None:
    """Not replaced by one that was not asked for."""
    program(tmp_path / "bin")
    program(tmp_path, "no program", 0o600)
    (tmp_path / "a folder").mkdir()
    path = str(tmp_path / name)
    environment = {"PATH": str(tmp_path / "bin"), "GEMINI_API_KEY": GEMINI}
    made = (
        Settings.of(path, None, environment)
        if how == "setting"
        else Settings.of(None, None, environment | {PATH_VARIABLE: path})
    )
    assert made.binary is None
    assert made.missing is not None
    assert path in made.missing.message


@pytest.mark.parametrize(
    "made",
    [Settings(Path("/x"), GEMINI), Settings(Path("/x"), CLOUD, Vertex()), Settings(Path("/x"), "", Vertex("p", "l"))],
)
def test_nothing_is_missing(made: Settings) -> None:
    assert made.missing is None
