#!/usr/bin/env python3
"""What a turn and an event cost: the rows S-1 to S-8, each beside direct and bare mitmdump, in one interleaved run.

  .venv/bin/python scripts/bench/path.py [--rows S-1,S-5] [--ours PATH] [--tree PATH] [--rounds 1] [--smoke]

direct    client → Google
bare      client → stock mitmdump with response streaming and no addon of ours → Google
chat …    client → zerogravity serve → language server → zerogravity serve → Google, on each surface

``--ours`` measures another checkout than this one; ``--tree`` one more beside it, interleaved: its figures stand below
ours as "before". Both run in this Python, on uvloop where it has that (``--set ZEROGRAVITY_LOOP=asyncio``: without).
Client, Google and language server are lean, and processes of their own (``rig/``). All keep their connections, and all
speak HTTP/1.1, plain on this side of a proxy, TLS to Google; Google speaks HTTP/2 to whoever offers it. CPU is that of
the process under test; what it writes goes below ``TMPDIR``, else into memory. Machines are noisy: read the ratios, not
the figures. Exit code 1 when a turn failed or an event was lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rig.report import BEFORE
from rig.rows import ROWS, SMOKE, SURFACES, Rows, full
from rig.systems import ROOT, rig

from zerogravity import lifeline


async def main(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    trees = {"": arguments.ours.resolve()} | ({BEFORE: arguments.tree.resolve()} if arguments.tree else {})
    settings = {"": dict(arguments.settings), BEFORE: dict(arguments.settings + arguments.tree_settings)}
    async with rig(trees, settings, arguments.profile) as made:
        rows = Rows(made, SMOKE if arguments.smoke else full(arguments.rounds), arguments.surfaces)
        await rows.warm()
        for row in arguments.rows:
            await rows.run(row)
            print(f"{row} done, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        rows.memory()
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        told = made.logs() if rows.report.failures else ""
    print(rows.report.table() + told)
    print(f"{time.monotonic() - began:.0f} s; {load}")
    return 1 if rows.report.failures else 0


def given() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=list(ROWS), type=lambda text: text.split(","), help="which, with commas")
    parser.add_argument(
        "--surfaces", default=",".join(SURFACES), help="of the gateway, with commas; chat is always one"
    )
    parser.add_argument("--ours", type=Path, default=ROOT, help="the checkout to measure; default: this one")
    parser.add_argument("--tree", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="of what is repeated")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="append what each gateway spent its time with")
    parser.add_argument("--smoke", action="store_true", help="little of everything, to see that it works")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], type=lambda text: text.split("=", 1),
        metavar="ZEROGRAVITY_NAME=VALUE", help="an environment variable of the gateways",
    )  # fmt: skip
    parser.add_argument(
        "--tree-set", dest="tree_settings", action="append", default=[], type=lambda text: text.split("=", 1),
        metavar="ZEROGRAVITY_NAME=VALUE", help="one of the gateway of --tree only: the same checkout with and without",
    )  # fmt: skip
    arguments = parser.parse_args()
    arguments.surfaces = [name for name in SURFACES if name == "chat" or name in arguments.surfaces.split(",")]
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(lifeline.run(main(given())))
