"""Waiting for jobs, and an emulator whose jobs take as long as a test says."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from homing.emulators import SendGridEmulator

Put: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def put(call) -> Put:
    """Upsert contacts, wait for the job, and return what the API says of it."""

    async def put(emulator: SendGridEmulator, *contacts: object, **body: object) -> dict[str, Any]:
        body = {"contacts": list(contacts), **body}
        answer = await call(emulator, "PUT", "/v3/marketing/contacts", body)
        assert 202 == answer.status, await answer.text()
        return await finished(emulator, call, (await answer.json())["job_id"])

    return put


async def finished(emulator, call, job_id: str) -> dict[str, Any]:
    """Wait until no job is pending, and ask for one."""
    await emulator.until(lambda: emulator.jobs.idle)
    path = f"/v3/marketing/contacts/imports/{job_id}"
    job: dict[str, Any] = await (await call(emulator, "GET", path)).json()
    return job
