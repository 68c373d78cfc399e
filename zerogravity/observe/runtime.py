"""Google's runtime, as the settings name it → one ``Check`` per need: its program starts and shakes hands, and it can
log in. The one that is started for that is ended again; Google is not called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from zerogravity.backends.base import Route
from zerogravity.backends.runtime import discover
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.backends.runtime.settings import Settings
from zerogravity.errors import FaultError
from zerogravity.observe.health import Check

AGAIN = "install it again: pip install --force-reinstall google-antigravity; or name another with runtime_path"
LOG_IN = "unless this runs on Google Cloud: gcloud auth application-default login"


async def checks(settings: Settings) -> AsyncIterator[Check]:
    """Both needs, whatever the first one lacks."""
    yield await program(settings)
    yield login(settings)


async def program(settings: Settings) -> Check:
    """It runs, and answers the handshake."""
    if (fault := settings.no_program) is not None:
        return Check("runtime", False, fault.message, fault.remedy)
    process = RuntimeProcess(settings, Route())
    try:
        await process.start()
    except FaultError as error:
        return Check("runtime", False, error.fault.message, AGAIN)
    await process.stop()
    return Check("runtime", True, f"{discover.program(settings)} starts")


def login(settings: Settings) -> Check:
    """There is a key, or a project to log in to. Whether Google accepts it shows when it is used."""
    if (fault := settings.no_login) is not None:
        return Check("login", False, fault.message, fault.remedy)
    vertex = settings.vertex
    by_nothing = not settings.key and vertex is not None and vertex.login is None
    return Check(
        "login", True, f"{discover.login(settings)}, for {discover.api(settings)}", LOG_IN if by_nothing else ""
    )
