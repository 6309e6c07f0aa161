"""Secrets are references in the file and values only at the moment of use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from homing.core.errors import HomingError

Kind: TypeAlias = Literal["env", "file", "credential", "literal"]

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
MAX_SECRET_BYTES = 65_536

_REFERENCE = re.compile(
    r"\$\{(?:file:(?P<file>/[^{}\0]+)|credential:(?P<credential>[^{}/\0]+)|(?P<env>[A-Za-z_]\w*))\}",
    re.ASCII,
)


class MissingSecret(HomingError):
    """The secret that *key* refers to by *reference* cannot be had; the message says why."""

    def __init__(self, ref: SecretRef, why: str) -> None:
        self.key = ref.key
        self.reference = ref.reference
        super().__init__(f"expected `{ref.key}` to be found at {ref.reference}, but {why}")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """
    Where a secret is: an environment variable, a file, or a systemd credential.

    It never holds the secret, so it may be printed, logged and compared. The kind ``literal`` is
    for what may stand in the file though it has a secret's place (a public key); it shows nothing.
    """

    kind: Kind
    target: str = field(repr=False)
    key: str = ""

    @classmethod
    def parse(cls, text: str, *, key: str) -> SecretRef | None:
        """Read ``${NAME}``, ``${file:/path}`` or ``${credential:name}``; else None."""
        match = _REFERENCE.fullmatch(text)
        if match is None or match["credential"] in {".", ".."}:
            return None
        kinds: tuple[Kind, ...] = ("file", "credential", "env")
        return next(cls(kind, match[kind], key) for kind in kinds if match[kind])

    @property
    def reference(self) -> str:
        """The text that stands in the file."""
        match self.kind:
            case "literal":
                return "(literal)"
            case "env":
                return f"${{{self.target}}}"
            case _:
                return f"${{{self.kind}:{self.target}}}"

    def __repr__(self) -> str:
        return f"SecretRef({self.reference})"

    def __str__(self) -> str:
        return self.reference

    def resolve(self, environ: Mapping[str, str]) -> str:
        """
        Read the secret now; a file's trailing newline is not part of it.

        Raises:
            MissingSecret: Not set, empty, not readable, not text, or over 64 KiB.
        """
        value = self._read(environ)
        if not value.strip():
            raise MissingSecret(self, "it is empty")
        return value

    def _read(self, environ: Mapping[str, str]) -> str:
        match self.kind:
            case "literal":
                return self.target
            case "env":
                if self.target not in environ:
                    raise MissingSecret(self, "this environment variable is not set")
                return environ[self.target]
            case "file":
                return self._read_file(Path(self.target))
            case "credential":
                if not environ.get(CREDENTIALS_DIRECTORY):
                    raise MissingSecret(self, f"${CREDENTIALS_DIRECTORY} is not set")
                return self._read_file(Path(environ[CREDENTIALS_DIRECTORY]) / self.target)

    def _read_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_SECRET_BYTES + 1)
            text = raw.decode("utf-8")
        except OSError as error:
            raise MissingSecret(self, f"{path} cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            # Without the cause: its message and its object hold the bytes of the secret.
            raise MissingSecret(self, f"{path} is not UTF-8 text") from None
        if len(raw) > MAX_SECRET_BYTES:
            raise MissingSecret(self, f"{path} is over {MAX_SECRET_BYTES} bytes")
        return text.removesuffix("\n").removesuffix("\r")

    def at(self, key: str) -> SecretRef:
        """Return the same reference as the value of *key*."""
        return replace(self, key=key)


def missing_of(refs: Iterable[SecretRef], environ: Mapping[str, str]) -> tuple[MissingSecret, ...]:
    """Try to resolve each of *refs* and return the failures, in their order."""
    missing: list[MissingSecret] = []
    for ref in refs:
        try:
            ref.resolve(environ)
        except MissingSecret as error:
            missing.append(error)
    return tuple(missing)


def values_of(refs: Iterable[SecretRef], environ: Mapping[str, str]) -> frozenset[str]:
    """Resolve what can be resolved of *refs*: the texts that a log must never show."""
    values: set[str] = set()
    for ref in refs:
        try:
            values.add(ref.resolve(environ))
        except MissingSecret:
            continue
    return frozenset(values)
