"""Stand-ins over real sockets: Google, the language server, a bad network, and the whole path (``stack.Stack``)."""
