"""What a command printed."""

from __future__ import annotations

import json


def output(result):
    return json.loads(result.stdout)
