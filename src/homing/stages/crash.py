"""
Crash points: named moments at which a test lets the process die, as ``kill -9`` would.

``HOMING_CRASH_AT=after_intent`` in the environment picks one; without it nothing is asked.
"""

from __future__ import annotations

import os
import signal
from typing import Final

VARIABLE: Final = "HOMING_CRASH_AT"

ENTERED: Final = "entered"  # a run, not yet committed
TICKED: Final = "ticked"  # not yet committed
AFTER_TICKS: Final = "after_ticks"
BEFORE_INTENT: Final = "before_intent"
AFTER_INTENT: Final = "after_intent"
AFTER_ACCEPT: Final = "after_accept"
AFTER_OUTCOME: Final = "after_outcome"
AFTER_UPSERT: Final = "after_upsert"  # SendGrid took contacts, and nobody wrote it down
ERASED: Final = "erased"  # a person, in the store alone, not yet committed
SEARCHED: Final = "searched"  # the log, for what is left of somebody erased; not yet committed
AFTER_CONTACTS: Final = "after_contacts"  # SendGrid was told to delete them
AFTER_ERASE_JOB: Final = "after_erase_job"  # SendGrid took it
AFTER_REPAIRS: Final = "after_repairs"  # of rows of a list of SendGrid's, committed

_CHOSEN: Final = os.environ.get(VARIABLE)


def reached(point: str) -> None:
    """Die here if the environment names this point."""
    if point == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)
