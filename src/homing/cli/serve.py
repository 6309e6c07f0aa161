"""``homing serve``: run the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homing.cli.main import config_option, config_path
from homing.processes import exits

if TYPE_CHECKING:
    from homing.config import Loaded


@click.command("serve")
@config_option
def serve_command(config: Path | None) -> int:
    """Run the service: receive, decide, deliver, write home."""
    path = config_path(config).resolve()
    loaded = ready_config(path)
    if loaded.settings.server.processes == 1:
        from homing.processes.single import run_single

        return run_single(path, os.environ)
    from homing.processes.service import ServiceSpec
    from homing.processes.supervisor import become_supervisor

    python = (sys.executable, "-P", "-m")
    return become_supervisor(
        ServiceSpec(
            receiver=(*python, "homing.processes.receiver", "--config", str(path)),
            worker=(*python, "homing.processes.worker", "--config", str(path)),
            public=str(loaded.settings.server.listen),
            admin=str(loaded.settings.server.admin),
        )
    )


def ready_config(path: Path) -> Loaded:
    """Load a configuration that can be served; what is wrong with it goes to standard error."""
    from homing.config import load

    loaded = load(path, environ=os.environ)
    refusals = loaded.refusals(os.environ)
    for warning in loaded.warnings:
        if warning not in refusals:
            click.echo(f"warning: {warning}", err=True)
    if refusals:
        for problem in refusals:
            click.echo(f"error: {problem}", err=True)
        sys.exit(exits.EX_CONFIG)
    return loaded
