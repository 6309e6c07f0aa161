"""A case as it stands on this machine, before anybody is asked: secrets, store, what was kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from homing.adapters.sqlite.log import SqliteLogReader, log_path
from homing.adapters.sqlite.state import reading
from homing.config.secrets import MissingSecret
from homing.core.errors import HomingError
from homing.doctor import kept
from homing.doctor.case import Case, Samples, Secrets, Standing
from homing.doctor.recorded import samples_of
from homing.doctor.ways import ways_of
from homing.processes.control import NotRunning, ask, control_path

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.config.secrets import SecretRef

NO_SQLITE = "the store is no SQLite file: this version looks into no other"


def opened(
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    asked: Collection[str],
    url: str | None,
    now_ms: int,
) -> Case:
    """
    Gather what needs no account: nothing is written, and nobody is asked but the service.

    Args:
        asked: Only with "samples" among it recorded events are read.
    """
    case = Case(
        loaded,
        secrets_of(loaded, environ),
        url=url,
        ways=ways_of(loaded),
        refusals=loaded.refusals(environ),
        seen=kept.read(kept.templates_path(loaded.store_path)),
        now_ms=now_ms,
    )
    standing, samples = _of_store(case, asked)
    return replace(case, standing=standing, samples=samples)


def secrets_of(loaded: Loaded, environ: Mapping[str, str]) -> Secrets:
    """Resolve what can be resolved."""
    settings = loaded.settings
    profiles = settings.segment.profiles
    return Secrets(
        api_key=_resolved(settings.sendgrid.api_key, environ),
        write_key=_resolved(settings.segment.write_key, environ),
        profile_token=None if profiles is None else _resolved(profiles.token, environ),
        public_keys={
            name: tuple(_all_resolved(webhook.public_keys, environ))
            for name, webhook in settings.sendgrid.webhook.items()
        },
    )


def _all_resolved(refs: tuple[SecretRef, ...], environ: Mapping[str, str]) -> Iterator[str]:
    for ref in refs:
        value = _resolved(ref, environ)
        if value is not None:
            yield value


def _resolved(ref: SecretRef | None, environ: Mapping[str, str]) -> str | None:
    try:
        return None if ref is None else ref.resolve(environ).strip()
    except MissingSecret:
        return None


def _of_store(case: Case, asked: Collection[str]) -> tuple[Standing, Samples]:
    """What the store says; why not, where it cannot be read."""
    loaded = case.loaded
    if loaded.settings.store.url.scheme != "sqlite":
        return Standing(NO_SQLITE), Samples()
    path = loaded.store_path
    reader = None
    try:
        if not path.exists():
            return Standing(f"there is no store at {path} yet"), Samples()
        with reading(path) as tx:
            standing = Standing(None, _runs(case), tuple(tx.books.alerts()), tx.books.pauses())
            if "samples" not in asked:
                return standing, Samples()
            reader = SqliteLogReader.if_made(log_path(path))
            return standing, Samples() if reader is None else samples_of(case, tx, reader)
    except (HomingError, OSError) as error:
        return Standing(f"the store could not be looked at: {error}"), Samples()
    finally:
        if reader is not None:
            reader.close()


def _runs(case: Case) -> bool:
    """Whether a service listens: it refuses to do nothing, which is an answer."""
    try:
        ask(control_path(case.loaded.store_path), {"do": ""}, timeout_s=5.0)
    except NotRunning:
        return False
    except HomingError:
        return True
    return True
