"""Bodies for mail/send, small and valid, with what a test changes."""

from typing import Any

TEMPLATE = "d-0123456789abcdef0123456789abcdef"


def block(to: str = "ada@example.com", **changes: object) -> dict[str, Any]:
    """Make a personalization for one recipient."""
    return {"to": [{"email": to}], **changes}


def mail(to: str = "ada@example.com", **changes: object) -> dict[str, Any]:
    """Make a body with one recipient, a subject and HTML; a change of None leaves a key out."""
    body: dict[str, Any] = {
        "personalizations": [block(to)],
        "from": {"email": "shop@example.com", "name": "Shop"},
        "subject": "Hello",
        "content": [{"type": "text/html", "value": "<p>Hello</p>"}],
        **changes,
    }
    return {key: value for key, value in body.items() if value is not None}


def template_mail(
    data: dict[str, Any], to: str = "ada@example.com", **changes: object
) -> dict[str, Any]:
    """Make a body that sends a dynamic template."""
    blocks = [block(to, dynamic_template_data=data)]
    changes = {"personalizations": blocks, "template_id": TEMPLATE, **changes}
    return mail(to, subject=None, content=None, **changes)
