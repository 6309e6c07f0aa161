"""The dynamic templates that the emulated account has; their HTML is in ``mails/``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Final, NamedTuple


class Template(NamedTuple):
    """One template: subject and HTML are Handlebars."""

    id: str
    name: str
    subject: str
    html: str


_SUBJECTS: Final = {
    "welcome": "Welcome{{#if first_name}}, {{{first_name}}}{{/if}}!",
    "order-confirmation": "Your order {{{order_id}}}",
    "newsletter": "The first issue{{#if first_name}}, {{{first_name}}}{{/if}}",
    "recommendation": "You may like these{{#if first_name}}, {{{first_name}}}{{/if}}",
    "cart-reminder": (
        "{{#if discount_code}}10 % off what you left behind{{else}}You left something behind{{/if}}"
    ),
    "tour": "How the shop works{{#if first_name}}, {{{first_name}}}{{/if}}",
    "nudge": "Save what you like{{#if first_name}}, {{{first_name}}}{{/if}}",
}


def templates() -> Iterator[Template]:
    """Every template that `shop.toml` names, with its id there."""
    folder = files(__package__) / "mails"
    frame = folder.joinpath("frame.html").read_text("utf-8")
    for number, (name, subject) in enumerate(_SUBJECTS.items(), 1):
        body = folder.joinpath(f"{name}.html").read_text("utf-8")
        yield Template(f"d-{number:032d}", name, subject, frame.replace("<!-- body -->", body))
