"""Waiting for whichever comes first."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_of(*ends: asyncio.Future[Any]) -> None:
    """Return as soon as one of these is done; the others stay as they are."""
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
