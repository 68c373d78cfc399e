"""``mitmdump -s addons/capture.py``: capture beside a language server and answer agents on ``zg_listen``.

Works from a checkout without installation, in an environment that has what it needs (``.venv``); options are listed by
``mitmdump -s addons/capture.py --options``.
"""

import sys
from pathlib import Path

# mitmproxy puts only this file's folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from zerogravity.capture.loader import addons_of

addons = addons_of(__file__)
