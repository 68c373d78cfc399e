"""``python -m zerogravity`` is the ``zerogravity`` command."""

from zerogravity.cli.main import main

main()
