"""What a route or a journey's step does: the same keys in both."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import BeforeValidator

from homing.config.contact_fields import ContactField, CustomField
from homing.config.expressions import Mapped, MappedTable
from homing.config.sections import Section
from homing.config.values import AudienceKey, EventName, Name, Template, Words


class Send(Section):
    """Reserve one email; ``send = "name"`` is short for ``{ email = "name" }``."""

    expected: ClassVar[str] = 'an email\'s name or a table like { email = "receipt" }'

    email: Name
    to: Mapped | None = None
    data: MappedTable | None = None
    template: Template | None = None


class Track(Section):
    """Write a track call to the person's Segment profile."""

    expected: ClassVar[str] = 'a table like { event = "Reminder Sent" }'

    event: EventName
    properties: MappedTable | None = None


class Identify(Section):
    """Write traits to the person's Segment profile."""

    expected: ClassVar[str] = "a table like { traits = { … } }"

    traits: MappedTable


class UpsertContact(Section):
    """Write the person to SendGrid's Marketing contacts; ``true``: the fields of [contacts]."""

    expected: ClassVar[str] = "true or a table like { fields = { … } }"

    fields: dict[ContactField, Mapped] | None = None
    custom: dict[CustomField, Mapped] | None = None


def _named_send(value: object) -> object:
    return {"email": value} if isinstance(value, str) else value


NamedSend: TypeAlias = Annotated[Send, BeforeValidator(_named_send)]


def _true_as_table(value: object) -> object:
    return {} if value is True else value


class Actions(Section):
    """The actions; at least one is needed where nothing else is done."""

    send: NamedSend | None = None
    track: Track | None = None
    identify: Identify | None = None
    upsert_contact: Annotated[UpsertContact, BeforeValidator(_true_as_table)] | None = None
    add_to_list: Name | None = None
    remove_from_list: Name | None = None
    add_to_audience: AudienceKey | None = None
    remove_from_audience: AudienceKey | None = None
    suppress: Words | None = None
    unsuppress: Words | None = None


ACTION_KEYS = tuple(Actions.model_fields)
