"""What ``mitmdump -s`` loads where there is no checkout with ``addons/capture.py``; see ``zerogravity addon-path``."""

try:
    from zerogravity.capture import loader
except ImportError:  # somebody else's mitmproxy, which knows only this file's folder
    import loader  # pyright: ignore[reportMissingImports]

addons = loader.addons_of(__file__)
