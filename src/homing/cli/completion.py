"""``homing completion``: for the shell."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion_command(shell: str) -> None:
    """
    Print what makes a shell complete these commands.

    \b
    bash:  eval "$(homing completion bash)"   in ~/.bashrc
    zsh:   eval "$(homing completion zsh)"    in ~/.zshrc
    fish:  homing completion fish > ~/.config/fish/completions/homing.fish
    """
    from click.shell_completion import get_completion_class

    from homing.cli.main import homing

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  click has these three
    completion = found(homing, {}, "homing", "_HOMING_COMPLETE")
    # not .source(): bash's asks the bash on this machine for its version, and none may be there
    click.echo(completion.source_template % completion.source_vars())
