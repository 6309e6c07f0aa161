"""The files that hold the HTML and the text of emails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from homing.config.documents import Document
from homing.config.problems import Finding, Loc, expected
from homing.config.settings import Settings

MAX_BODY_BYTES = 1_048_576


@dataclass(frozen=True)
class Bodies:
    """The text of each ``html_file`` and ``text_file``, by its place in the settings."""

    texts: Mapping[Loc, str]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, settings: Settings, document: Document) -> Bodies:
        """Read all of them, each relative to the configuration file that names it."""
        texts: dict[Loc, str] = {}
        findings: list[Finding] = []
        for name, email in settings.email.items():
            for key in ("html_file", "text_file"):
                loc, file = ("email", name, key), getattr(email, key)
                if file is None:
                    continue
                path = document.file_of(loc).parent / file
                try:
                    texts[loc] = _read(path)
                except ValueError as error:
                    message = expected("a file of text", f'"{path}"', why=str(error))
                    findings.append(Finding(loc, message))
        return cls(texts, tuple(findings))


def _read(path: Path) -> str:
    """
    Read a body.

    Raises:
        ValueError: It cannot be used, for the reason in the message.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BODY_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        msg = f"it cannot be read ({error.strerror})"
        raise ValueError(msg) from error
    except UnicodeDecodeError as error:
        msg = "it is not UTF-8"
        raise ValueError(msg) from error
    if len(raw) > MAX_BODY_BYTES or not text.strip():
        msg = "it is over 1 MiB" if text.strip() else "it is empty"
        raise ValueError(msg)
    return text
