"""``python -m zerogravity`` is the ``zerogravity`` command."""

from zerogravity.cli import main

main()
