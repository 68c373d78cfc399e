"""The rig of ``scripts/bench/path.py``: lean stand-ins and a lean client, each a process of its own.

What they cost must not hide what the gateway costs, so they speak HTTP/1.1 by hand (``wire``), Google HTTP/2 as well
(``http2``), keep their connections, and look at nothing but what they need.
"""
