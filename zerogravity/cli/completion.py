"""The command ``completion``."""

from __future__ import annotations

import click

VARIABLE = "_ZEROGRAVITY_COMPLETE"  # as click derives it from the program's name


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete zerogravity's commands and options.

    \b
    bash: eval "$(zerogravity completion bash)"     in ~/.bashrc
    zsh:  eval "$(zerogravity completion zsh)"      in ~/.zshrc
    fish: zerogravity completion fish > ~/.config/fish/completions/zerogravity.fish
    """
    from click.shell_completion import get_completion_class

    from zerogravity.cli.main import main

    made = get_completion_class(shell)
    assert made is not None, "each choice has one"
    click.echo(made(main, {}, "zerogravity", VARIABLE).source())
