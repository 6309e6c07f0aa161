"""The command line: one file a group of commands, each imported when it is asked for."""

from homing.cli.main import main

__all__ = ["main"]
