"""The dynamic templates that the emulated account has."""

from __future__ import annotations

from typing import Final, NamedTuple


class Template(NamedTuple):
    """One template: all parts are Handlebars."""

    id: str
    name: str
    subject: str
    html: str


_PAGE: Final = (
    '<div style="font:16px/1.5 sans-serif;max-width:32rem;margin:2rem auto">{}'
    '<p><a href="https://acme.example/shop">Back to the shop</a></p></div>'
)

TEMPLATES: Final = (
    Template(
        "d-00000000000000000000000000000001",
        "welcome",
        "Welcome{{#if first_name}}, {{{first_name}}}{{/if}}!",
        _PAGE.format(
            "<h1>Hello {{insert first_name 'default=there'}}</h1>"
            "<p>You are on the <b>{{plan}}</b> plan.</p>"
        ),
    ),
    Template(
        "d-00000000000000000000000000000002",
        "order-confirmation",
        "Your order {{{order_id}}}",
        _PAGE.format(
            "<h1>Thank you, {{name}}</h1><ul>{{#each items}}<li>{{this.quantity}} &times; "
            "{{this.name}}</li>{{/each}}</ul><p>Total: {{total}}</p>"
            '<p><a href="https://acme.example/orders/{{order_id}}">Follow your order</a></p>'
        ),
    ),
    Template(
        "d-00000000000000000000000000000003",
        "newsletter",
        "The newsletter",
        _PAGE.format(
            "<h1>Good to have you{{#if first_name}}, {{first_name}}{{/if}}</h1>"
            '<p><a href="https://acme.example/news">Read the first issue</a></p>'
        ),
    ),
)
