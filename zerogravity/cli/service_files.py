"""``zerogravity serve`` as a service of the user: the file that says so to systemd or to launchd, and the commands
around it. Pure; nothing here is a secret, and nothing may be.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "Written by `zerogravity service install`; `zerogravity service uninstall` removes it."
UNIT, LABEL = "zerogravity.service", "dev.zerogravity.serve"
LINES = 200  # of the log
_PLAIN = re.compile(r"[\w@+=:,./-]+", re.ASCII)

_SYSTEMD = """# {mark}
[Unit]
Description=zerogravity: a local gateway for agents behind a Google language server

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=2
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class Service:
    """``file``: where ``text`` belongs. Command lines: ``probe`` fails where there is no such service manager;
    ``start`` and ``stop`` are several, in order; ``follow`` is ``logs`` that goes on."""

    file: Path
    text: str
    probe: tuple[str, ...]
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    status: tuple[str, ...]
    logs: tuple[str, ...]
    follow: tuple[str, ...]


def systemd(command: Sequence[str], config: Path) -> Service:
    """``config``: the user's folder of configurations."""
    user = ("systemctl", "--user")
    logs = ("journalctl", "--user", "--unit", UNIT, "--lines", str(LINES))
    return Service(
        config / "systemd" / "user" / UNIT,
        _SYSTEMD.format(mark=MARK, command=" ".join(map(_quoted, command))),
        probe=(*user, "show-environment"),
        start=((*user, "daemon-reload"), (*user, "enable", UNIT), (*user, "restart", UNIT)),
        stop=((*user, "disable", "--now", UNIT),),
        status=(*user, "status", "--no-pager", UNIT),
        logs=(*logs, "--no-pager"),
        follow=(*logs, "--follow"),
    )


def launchd(command: Sequence[str], home: Path, uid: int) -> Service:
    log, domain = home / "Library" / "Logs" / "zerogravity.log", f"gui/{uid}"
    file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    made = plistlib.dumps({
        "Label": LABEL, "ProgramArguments": list(command), "RunAtLoad": True, "KeepAlive": {"SuccessfulExit": False},
        "StandardOutPath": str(log), "StandardErrorPath": str(log), "Umask": 0o077,
    }, sort_keys=False).decode()  # fmt: skip
    begin, end, rest = made.partition("?>\n")
    return Service(
        file,
        f"{begin}{end}<!-- {MARK} -->\n{rest}",
        probe=("launchctl", "print", domain),
        start=(("launchctl", "bootstrap", domain, str(file)),),
        stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        status=("launchctl", "print", f"{domain}/{LABEL}"),
        logs=("tail", "-n", str(LINES), str(log)),
        follow=("tail", "-n", str(LINES), "-F", str(log)),
    )


def _quoted(word: str) -> str:
    """For ``ExecStart``: systemd replaces ``%`` and ``$``, and reads quotes and backslashes as C does."""
    word = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
