"""The account's Marketing lists and custom fields: found by name, made if need be, remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from homing.core.errors import HomingError
from homing.core.marketing.contacts import Definition, definitions_in, field_key, type_of
from homing.core.marketing.drafts import Fields
from homing.log import FIELD_CREATED, LIST_CREATED, log
from homing.stages.asking import Refused

if TYPE_CHECKING:
    from homing.ports import Clock
    from homing.stages.asking import Asker

LISTS = "/v3/marketing/lists"
FIELDS = "/v3/marketing/field_definitions"
PAGE = 1_000
MAX_PAGES = 1_000
# what the API does not take, whoever asks
UNFIT = frozenset({400, 409, 413, 422})
KEPT_MS = 600_000
# definitions are not asked for more often than this because a field is missing
FRESH_MS = 30_000


class NotMade(HomingError):
    """SendGrid does not take a list of that name, or any more lists."""


@dataclass(slots=True)
class Known:
    """What was last read of the account; the stages that ask for it share it."""

    lists: dict[str, str] = field(default_factory=dict)
    lists_at: int = -KEPT_MS
    fields: dict[str, Definition] = field(default_factory=dict)
    fields_at: int = -KEPT_MS
    unmade: dict[str, str] = field(default_factory=dict)  # fields that were refused, and why


@dataclass(slots=True)
class Catalog:
    """
    What is known of the account, for ten minutes.

    Args:
        create_fields: Whether a custom field that is not defined may be made.

        known: What is known already.
    """

    asker: Asker
    clock: Clock
    create_fields: bool = False
    known: Known = field(default_factory=Known)

    async def list_id(self, title: str) -> str:
        """
        The id of the list with that name, made if there is none.

        Raises:
            NotMade: It cannot be made.
            Unanswered, Refused: See `Asker.json`.
        """
        found = await self.find_list(title)
        if found is not None:
            return found
        try:
            made = await self.asker.object("POST", LISTS, {"name": title})
        except Refused as error:
            if error.status not in UNFIT:
                raise
            raise NotMade(str(error)) from error
        self.known.lists[title] = _id_of(made, LISTS)
        log.info(LIST_CREATED, name=title)
        return self.known.lists[title]

    async def find_list(self, title: str) -> str | None:
        """
        The id of the list with that name; None if there is none.

        Raises:
            Unanswered, Refused: See `Asker.json`.
        """
        now = self.clock.now_ms()
        if title not in self.known.lists or now - self.known.lists_at > KEPT_MS:
            self.known.lists, self.known.lists_at = await lists_by_name(self.asker), now
        return self.known.lists.get(title)

    def forget_lists(self) -> None:
        """A list was not there: look again."""
        self.known.lists_at = -KEPT_MS

    async def fields(self, custom: Mapping[str, Sequence[object]]) -> Fields:
        """
        The custom fields as they are defined; made if that is allowed.

        Args:
            custom: Names that are needed, with all values of each.

        Raises:
            Unanswered, Refused: See `Asker.json`.
        """
        age = self.clock.now_ms() - self.known.fields_at
        if age > KEPT_MS or (age > FRESH_MS and self._lacking(custom)):
            await self._read_fields()
            self.known.unmade = {}
        if self.create_fields:
            for name in self._lacking(custom):
                if field_key(name) not in self.known.unmade:
                    await self._make_field(name, custom[name])
        return Fields(self.known.fields, self.known.unmade)

    async def refresh(self) -> bool:
        """Read the custom fields again; whether they are others now."""
        before = self.known.fields
        await self._read_fields()
        return before != self.known.fields

    def _lacking(self, custom: Mapping[str, object]) -> list[str]:
        return [name for name in custom if field_key(name) not in self.known.fields]

    async def _read_fields(self) -> None:
        answer = await self.asker.object("GET", FIELDS)
        _rows(answer, "custom_fields", FIELDS)
        self.known.fields = definitions_in(answer)
        self.known.fields_at = self.clock.now_ms()

    async def _make_field(self, name: str, values: Sequence[object]) -> None:
        kind, key = type_of(values), field_key(name)
        try:
            made = await self.asker.object("POST", FIELDS, {"name": name, "field_type": kind.value})
        except Refused as error:
            if error.status not in UNFIT:
                raise
            # somebody else may have made it just now; else it is tried again in a while
            await self._read_fields()
            if key not in self.known.fields:
                self.known.unmade[key] = error.said or f"HTTP {error.status}"
            return
        self.known.fields = {**self.known.fields, key: Definition(_id_of(made, FIELDS), name, kind)}
        log.info(FIELD_CREATED, name=name, type=kind.value)


async def lists_by_name(asker: Asker) -> dict[str, str]:
    """
    Every list of the account, id by name, across pages; of two of one name the first.

    Raises:
        Unanswered, Refused: See `Asker.json`.
    """
    found: dict[str, str] = {}
    path, tokens = f"{LISTS}?page_size={PAGE}", set[str]()
    while True:
        page = await asker.object("GET", path)
        for row in _rows(page, "result", LISTS):
            if isinstance(row, dict) and "id" in row and "name" in row:
                found.setdefault(str(row["name"]), str(row["id"]))
        token = next_token(page)
        if token is None:
            return found
        if token in tokens or len(tokens) >= MAX_PAGES:
            raise Refused(200, "pages that do not end", f"GET {LISTS}")
        tokens.add(token)
        path = f"{LISTS}?page_size={PAGE}&page_token={quote(token, safe='')}"


def next_token(page: Mapping[str, Any]) -> str | None:
    """
    The token of the page after this one; None after the last.

    Only the token of the address that an answer gives is used: it may name another host.
    """
    metadata = page.get("_metadata")
    following = metadata.get("next") if isinstance(metadata, dict) else None
    if not isinstance(following, str) or not following:
        return None
    return next(iter(parse_qs(urlsplit(following).query).get("page_token", ())), None)


def _rows(answer: Mapping[str, Any], name: str, path: str) -> list[Any]:
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise Refused(200, f"expected {name!r} to be a list", f"GET {path}")
    return rows


def _id_of(made: Mapping[str, Any], path: str) -> str:
    if not isinstance(made.get("id"), str):
        raise Refused(200, "expected an id, got none", f"POST {path}")
    return str(made["id"])
