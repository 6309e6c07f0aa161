"""Dynamic templates the emulated account has."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from homing.emulators.clock import Clock

#: How many earlier versions of a template are kept.
MOST_PAST: Final = 20
#: Names the version of a template: the same for the same id and content.
_VERSIONS = uuid.UUID("6f1b7c86-52e5-4b1e-9a5f-1f9a6f0c2d11")


@dataclass(frozen=True, slots=True)
class Template:
    """
    One dynamic template with one active version.

    Args:
        id: ``d-`` and 32 hex digits.

        subject: Handlebars, like `html` and `text`.

        text: Empty: made from the HTML.

        is_active: Whether its newest version is the one that is sent.

        past: Its earlier versions, newest first; none of them is active.
    """

    id: str
    subject: str
    html: str
    text: str
    name: str
    updated_at: str
    generation: str = "dynamic"
    is_active: bool = True
    past: tuple["Template", ...] = ()

    @property
    def version_id(self) -> str:
        """Id of the active version."""
        return str(uuid.uuid5(_VERSIONS, f"{self.id}\n{self.subject}\n{self.html}\n{self.text}"))

    def as_json(self) -> dict[str, object]:
        """Show it as ``GET /v3/templates/{id}`` does."""
        versions = [version | {"test_data": "{}"} for version in self._versions()]
        return self.as_row() | {"versions": versions}

    def as_row(self) -> dict[str, object]:
        """Show it as ``GET /v3/templates`` does: without the version's contents."""
        left_out = {"html_content", "plain_content"}
        versions = [
            {key: value for key, value in version.items() if key not in left_out}
            for version in self._versions()
        ]
        return {
            "id": self.id,
            "name": self.name,
            "generation": self.generation,
            "updated_at": self.updated_at,
            "versions": versions,
        }

    def _versions(self) -> list[dict[str, object]]:
        return [self._version(), *(one._version() | {"active": 0} for one in self.past)]

    def _version(self) -> dict[str, object]:
        return {
            "id": self.version_id,
            "template_id": self.id,
            "active": int(self.is_active),
            "name": self.name,
            "subject": self.subject,
            "html_content": self.html,
            "plain_content": self.text,
            "generate_plain_content": not self.text,
            "editor": "code",
            "updated_at": self.updated_at,
        }


class Templates:
    """The account's templates, by id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_id: dict[str, Template] = {}

    def add(
        self, template_id: str, *, subject: str, html: str, text: str = "", name: str = ""
    ) -> Template:
        """Add a template, or replace its active version."""
        updated = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%d %H:%M:%S")
        before = self._by_id.get(template_id)
        past = () if before is None else (replace(before, past=()), *before.past)[:MOST_PAST]
        template = Template(
            template_id, subject, html, text, name or template_id, updated, past=past
        )
        self._by_id[template_id] = template
        return template

    def change(
        self, template_id: str, *, generation: str = "dynamic", is_active: bool = True
    ) -> Template:
        """Make a template a legacy one, or one without an active version, or neither."""
        before = self._by_id[template_id]
        template = replace(before, generation=generation, is_active=is_active)
        self._by_id[template_id] = template
        return template

    def find(self, template_id: str) -> Template | None:
        """Find one."""
        return self._by_id.get(template_id)

    def remove(self, template_id: str) -> None:
        """Delete one; mail that names it is then as if it had never been there."""
        self._by_id.pop(template_id, None)

    def __contains__(self, template_id: object) -> bool:
        return template_id in self._by_id

    def __iter__(self) -> Iterator[Template]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)
