"""
The control socket beside the state file: one JSON object a line, asked and answered.

``{"do": "pause", …}`` is answered by ``{"ok": …}`` or ``{"error": "…"}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from homing.core.errors import HomingError
from homing.log import COMMAND_FAILED, log

MAX_LINE = 1 << 20

Act: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[object]]


def control_path(state: Path) -> Path:
    """Where a worker listens for commands: ``homing.db`` has ``homing.db.control``."""
    return state.with_name(state.name + ".control")


async def listen(path: Path, acts: Mapping[str, Act]) -> asyncio.Server:
    """Serve commands to whoever may read the state file."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240  once, at start

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(30):
                line = await reader.readline()
            writer.write(await _answer(acts, line) + b"\n")
            await writer.drain()
        except (OSError, ValueError, TimeoutError):
            return
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path=str(path), limit=MAX_LINE)
    path.chmod(0o600)  # noqa: ASYNC240  once, at start
    return server


async def _answer(acts: Mapping[str, Act], line: bytes) -> bytes:
    try:
        asked = orjson.loads(line)
        act = acts[asked["do"]]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return _error(f"expected an object with `do`, one of {', '.join(sorted(acts))}", "")
    try:
        return orjson.dumps({"ok": await act(asked)})
    except HomingError as error:
        return _error(str(error), type(error).__name__)
    except Exception as error:  # noqa: BLE001  whoever asked is told, and the worker goes on
        log.error(COMMAND_FAILED, do=asked["do"], exc_info=error)
        return _error(f"{type(error).__name__}: {error}", "Failed")


def _error(said: str, kind: str) -> bytes:
    return orjson.dumps({"error": said, "kind": kind})


def ask(path: Path, question: Mapping[str, object], *, timeout_s: float = 60.0) -> Any:  # noqa: ANN401  JSON
    """
    Ask a running worker.

    Raises:
        NotRunning: No worker listens.
        NoAnswer: One does, and said nothing, or may not be asked.
        Refused: It refused, and says why.
    """
    import socket  # noqa: PLC0415  the worker never asks

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except PermissionError as error:
            msg = f"{path} may not be spoken to: run this as the service's user"
            raise NoAnswer(msg) from error
        except OSError as error:
            msg = f"no daemon listens at {path}"
            raise NotRunning(msg) from error
        try:
            connection.sendall(orjson.dumps(dict(question)) + b"\n")
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except OSError as error:
            msg = f"the daemon did not answer: {error}; it may have done what was asked"
            raise NoAnswer(msg) from error
    if not answer:
        raise NoAnswer("the daemon hung up: its log says why")
    said = orjson.loads(answer)
    if "error" in said:
        raise Refused(said["error"], str(said.get("kind", "")))
    return said["ok"]


class NotRunning(HomingError):
    """No daemon runs on these files."""


class NoAnswer(HomingError):
    """A daemon runs, and did not say what came of the question."""


class Refused(HomingError):
    """The daemon refused, and says why; *kind* names its error's class."""

    def __init__(self, why: str, kind: str = "") -> None:
        super().__init__(why)
        self.kind = kind
