"""``homing``: finds the command, turns errors into messages and exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from homing import __version__
from homing.core.errors import HomingError
from homing.processes import exits

# command -> (module, what it does in a line). The module is imported only when its command is
# asked for: `homing --help` needs none of them.
COMMANDS: Final = {
    "init": ("init", "Write a commented configuration in capture mode."),
    "check": ("check", "Check a configuration: every error and every warning at once."),
    "doctor": ("doctor", "Ask the live accounts, and find what is wrong before a customer does."),
    "serve": ("serve", "Run the service: receive, decide, deliver, write home."),
    "sandbox": ("sandbox", "Run the whole loop with no account."),
    "try": ("expressions", "Try a condition or a mapping on an event."),
    "plan": ("plan", "What reloading a changed configuration would do."),
    "simulate": ("simulate", "Play events through the configuration, on a virtual clock."),
    "preview": ("preview", "Show an email as it would be sent, and the exact API body."),
    "send-test": ("send_test", "Send one real email, marked as a test."),
    "tail": ("tail", "The newest events and sends, as they come."),
    "events": ("events", "List events, or show one."),
    "people": ("people", "List people, or show one."),
    "sends": ("sends", "List sends, or show one with all that became of it."),
    "journeys": ("journeys", "List journeys, or show one, its runs, or one run."),
    "graph": ("graph", "Draw a journey, with how many wait where."),
    "stats": ("stats", "The books: what came in and what became of it."),
    "alerts": ("alerts", "List what a person should look at, or clear it."),
    "why": ("why", "Why an event, or a person, got what they got, or did not."),
    "dead": ("dead", "List, show, retry or give up what failed for good."),
    "replay": ("replay", "Evaluate kept events again, under their own ids."),
    "resolve": ("act", "Decide of a send whose outcome nobody knows."),
    "pause": ("act", "Stop what leaves for a destination, or one email."),
    "resume": ("act", "Let it leave again."),
    "reload": ("act", "Have the running service take the changed configuration."),
    "reconcile": ("reconcile", "Compare both sides, and repair what differs."),
    "erase": ("erase", "Erase a person, and everything stored of them."),
    "backup": ("backup", "Copy the store to a folder, beside a running service."),
    "restore": ("backup", "Put a backup in the store's place, with mail paused."),
    "db": ("db", "Look into the store with SQL, on a snapshot."),
    "bench": ("bench", "Measure this machine."),
    "completion": ("completion", "Print what makes a shell complete these commands."),
}


class Unread(Exception):
    """Whoever read what we say reads no more, as `head` when it has had enough."""


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        # click would end the process with an exit code of its own
        raise Unread from error


class Commands(click.Group):
    """The commands, in the order a newcomer meets them."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:  # noqa: ANN401  as click's
        """Read the command line; `--help` is answered here."""
        with _heard():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  as click's
        """Run a command."""
        with _heard():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, line = COMMANDS[cmd_name]
        found: click.Command = getattr(
            import_module(f"homing.cli.{module}"), cmd_name.replace("-", "_") + "_command"
        )
        found.short_help = line
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="homing")
def homing() -> None:
    """
    Homing: email that follows events, between Twilio Segment and Twilio SendGrid.

    Start with `homing sandbox`, or with `homing init`.
    """


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal can show
    sys.exit(run())


def run(args: Sequence[str] | None = None) -> int:
    """
    Run one command; the exit code is one of ``sysexits.h``.

    Args:
        args: What stands behind ``homing``; by default as this process was called.
    """
    try:
        code = homing.main(args, prog_name="homing", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, Unread):
        code = _unread()
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (HomingError, OSError, UnicodeError) as error:
        from homing.cli.show import text

        click.echo(f"homing: {text(_said(error))}", err=True)
        return exit_code_of(error)
    return code if isinstance(code, int) else exits.EX_OK


def _unread() -> int:
    # what is left of it is flushed as Python ends, and must not fail again
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return UNREAD


def _said(error: Exception) -> str:
    """What an error says; of a file that cannot be read, which and why."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


INTERRUPTED: Final = 130
UNREAD: Final = 141
"""What a shell says of a program that SIGPIPE has ended."""

_CODES: Final = {
    "ConfigError": exits.EX_CONFIG,
    "MissingSecret": exits.EX_CONFIG,
    "NewerSchema": exits.EX_CONFIG,
    "NoSqlite": exits.EX_CONFIG,
    "NoKey": exits.EX_CONFIG,
    "CannotReconcile": exits.EX_CONFIG,
    "NoSuchList": exits.EX_DATAERR,
    "AlreadyReconciling": exits.EX_TEMPFAIL,
    "Unanswered": exits.EX_UNAVAILABLE,
    "StoreBusy": exits.EX_TEMPFAIL,
    "StoreFull": exits.EX_IOERR,
    "StoreFailed": exits.EX_IOERR,
    "StoreCorrupt": exits.EX_DATAERR,
    "BadBackup": exits.EX_DATAERR,
    "NotRunning": exits.EX_UNAVAILABLE,
    "NoAnswer": exits.EX_UNAVAILABLE,
    "NoStore": exits.EX_UNAVAILABLE,
    "BadInput": exits.EX_DATAERR,
    "BadLine": exits.EX_DATAERR,
    "FqlError": exits.EX_DATAERR,
    "MappingError": exits.EX_DATAERR,
    "MappingFailure": exits.EX_DATAERR,
    "RenderError": exits.EX_DATAERR,
    "OSError": exits.EX_IOERR,
    "UnicodeError": exits.EX_USAGE,  # a name on the command line that no store can hold
}


def exit_code_of(error: Exception) -> int:
    """The exit code that says whose fault an error is; 1 where nobody's."""
    known = (_CODES[name] for name in _names_of(error) if name in _CODES)
    return next(known, exits.EX_FAILURE)


def _names_of(error: Exception) -> Iterator[str]:
    """The class's names; a refusal by the daemon goes by what it refused for."""
    yield str(getattr(error, "kind", ""))
    for kind in type(error).__mro__:
        yield kind.__name__


class BadInput(HomingError):
    """A file or argument that a command reads is not what it expects."""


def config_path(option: Path | None) -> Path:
    """
    The configuration file: ``--config``, else ``$HOMING_CONFIG``, else ``./homing.toml``.

    As `homing.config.find_config` does, which takes too long to import for a mere look.
    """
    return Path.cwd() / (option or os.environ.get("HOMING_CONFIG") or "homing.toml")


config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file [default: $HOMING_CONFIG, else ./homing.toml].",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
