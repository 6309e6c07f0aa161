"""``homing``: finds the command, turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from homing import __version__
from homing.core.errors import HomingError
from homing.processes import exits

# command -> module: imported only when it is asked for, so that `homing --help` is quick
COMMANDS: Final = {
    "serve": "serve",
    "sandbox": "sandbox",
    "init": "write",
    "check": "check",
    "try": "expressions",
    "preview": "preview",
    "send-test": "preview",
    "tail": "look",
    "events": "look",
    "people": "look",
    "sends": "look",
    "stats": "look",
    "why": "why",
    "dead": "dead",
    "replay": "act",
    "resolve": "act",
    "pause": "act",
    "resume": "act",
    "reload": "act",
    "erase": "act",
    "backup": "store",
    "restore": "store",
    "db": "store",
    "bench": "bench",
    "completion": "completion",
}


class Commands(click.Group):
    """The commands, in the order a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found: click.Command = getattr(
            import_module(f"homing.cli.{module}"), cmd_name.replace("-", "_") + "_command"
        )
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="homing")
def homing() -> None:
    """Homing: email that follows events, between Twilio Segment and Twilio SendGrid."""


def main() -> None:
    """Run the command line; the exit codes are those of ``sysexits.h``."""
    try:
        code = homing.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.EX_OK)
    except HomingError as error:
        click.echo(f"homing: {error}", err=True)
        sys.exit(exit_code_of(error))
    sys.exit(code if isinstance(code, int) else exits.EX_OK)


_CODES: Final = {
    "ConfigError": exits.EX_CONFIG,
    "MissingSecret": exits.EX_CONFIG,
    "NewerSchema": exits.EX_CONFIG,
    "StoreBusy": exits.EX_TEMPFAIL,
    "StoreFull": exits.EX_IOERR,
    "StoreFailed": exits.EX_IOERR,
    "StoreCorrupt": exits.EX_DATAERR,
    "NotRunning": exits.EX_UNAVAILABLE,
    "BadInput": exits.EX_DATAERR,
}


def exit_code_of(error: HomingError) -> int:
    """The exit code that says whose fault an error is."""
    for kind in type(error).__mro__:
        if kind.__name__ in _CODES:
            return _CODES[kind.__name__]
    return exits.EX_FAILURE


class BadInput(HomingError):
    """A file or argument that a command reads is not what it expects."""


def config_path(option: Path | None) -> Path:
    """The configuration file: ``--config``, else ``$HOMING_CONFIG``, else ``./homing.toml``."""
    from homing.config import find_config

    return find_config(option, os.environ, Path.cwd())


config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file [default: $HOMING_CONFIG, else ./homing.toml].",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
