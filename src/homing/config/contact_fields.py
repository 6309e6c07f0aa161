"""The fields of a Marketing contact, as ``[contacts]`` and ``upsert_contact`` name them."""

from __future__ import annotations

import re
from typing import Annotated

from homing.config.values import choice, text

_OWN = (
    "first_name",
    "last_name",
    "address_line_1",
    "address_line_2",
    "city",
    "state_province_region",
    "country",
    "postal_code",
    "alternate_emails",
    "phone_number",
    "whatsapp",
    "line",
    "facebook",
    "unique_name",
)
_CUSTOM = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)

ContactField = Annotated[str, choice(*_OWN)]
CustomField = Annotated[
    str, text("the name of a custom field: letters, digits and _", longest=100, pattern=_CUSTOM)
]
