"""What ``mitmdump -s`` loads where there is no checkout with ``addons/capture.py``; see ``zerogravity addon-path``."""

from zerogravity.capture.addon import Capture

addons = [Capture()]
