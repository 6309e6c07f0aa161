"""Files behind links that open without a key, as the storage that SendGrid points to."""

import secrets
from dataclasses import dataclass
from typing import Final

from homing.emulators.clock import Clock

PREFIX: Final = "/downloads/"

#: How many files are kept; the oldest go first.
MOST_FILES: Final = 1_000


@dataclass(frozen=True, slots=True)
class File:
    """
    One file.

    Args:
        encoding: Of its ``Content-Encoding``; None without one.
    """

    body: bytes
    content_type: str
    expires_at: float
    encoding: str | None = None


class Downloads:
    """
    The files, by their paths.

    Args:
        expires_s: How long a link opens its file.
    """

    def __init__(self, expires_s: float, clock: Clock) -> None:
        self.expires_s = expires_s
        self._clock = clock
        self._files: dict[str, File] = {}

    def put(self, name: str, body: bytes, content_type: str, *, encoding: str | None = None) -> str:
        """Keep a file; the path that is returned cannot be guessed."""
        path = f"{PREFIX}{secrets.token_urlsafe(12)}/{name}"
        self._files[path] = File(body, content_type, self._clock() + self.expires_s, encoding)
        if len(self._files) > MOST_FILES:
            del self._files[next(iter(self._files))]
        return path

    def find(self, path: str) -> File | None:
        """Find a file whose link is still good."""
        file = self._files.get(path)
        return file if file is not None and file.expires_at > self._clock() else None
