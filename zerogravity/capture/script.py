"""What ``mitmdump -s`` loads where there is no checkout with ``addons/capture.py``; see ``zerogravity addon-path``."""

try:
    from zerogravity.capture import host
except ImportError:  # somebody else's mitmproxy, which knows only this file's folder
    import host  # pyright: ignore[reportMissingImports]

addons = host.addons_of(__file__)
