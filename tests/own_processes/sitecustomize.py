"""Of the processes of this machine, a program sees those that its own worker of the suite has started, so that the
language servers of one test are none of another's. ``conftest`` imports it; what ``running.program`` starts has it on
its ``PYTHONPATH``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # the Python of an environment without it
    import psutil

    every = psutil.process_iter
    worker = [(name, os.environ[name]) for name in ("PYTEST_XDIST_TESTRUNUID", "PYTEST_XDIST_WORKER")
              if name in os.environ]  # fmt: skip

    def own(*arguments: Any) -> Iterator[psutil.Process]:
        for process in every(*arguments):
            with suppress(psutil.Error):
                if any({*worker} <= one.environ().items() for one in (process, *process.parents())):
                    yield process  # some are started with an environment of their own

    if worker:
        psutil.process_iter = own
