"""Which addresses SendGrid delivers to, without asking DNS."""

from __future__ import annotations

import re

from email_validator import EmailNotValidError, validate_email

MAX_ADDRESS_CHARS = 254
_MAX_LABEL_CHARS = 63

# A strict subset of what the full check accepts, for nearly every address there is: no label
# holds "--", so none is (or pretends to be) an encoded international one.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_ORDINARY = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z]{{2,63}}")
_TOP_LABEL = re.compile(r"(?:.*\.)[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]")
_LONG_LABEL = re.compile(r"[^.@]{64}")


def refusal_of(address: str) -> str | None:
    """
    Say why an address cannot be sent to, or ``None``.

    International domains are fine (see :func:`ascii_form`). A non-ASCII local part is not:
    SendGrid answers 202 and then drops the mail as ``Invalid``. Test domains such as ``.test``
    are fine.

    Source: sendgrid-csharp issue 656; RFC 5321 4.5.3.1 (lengths); SendGrid docs, "Errors".
    """
    if len(address) > MAX_ADDRESS_CHARS:
        return f"the address {_shown(address)} is longer than {MAX_ADDRESS_CHARS} characters"
    if _is_ordinary(address):
        return None
    try:
        _validated(address)
    except EmailNotValidError as error:
        return f"{_shown(address)} is not an email address: {error}"
    return None


def ascii_form(address: str) -> str:
    """Write an international domain the way SendGrid reads it (``xn--…``); else as given."""
    if address.isascii() or len(address) > MAX_ADDRESS_CHARS:
        return address
    try:
        return _validated(address)
    except EmailNotValidError:
        return address


def _is_ordinary(address: str) -> bool:
    if _ORDINARY.fullmatch(address) is None:
        return False
    at = address.index("@")
    return len(address) - at <= _MAX_LABEL_CHARS or _LONG_LABEL.search(address, at) is None


def _validated(address: str) -> str:
    checked = validate_email(
        address,
        check_deliverability=False,
        globally_deliverable=False,
        allow_smtputf8=False,
        strict=True,
    )
    if _TOP_LABEL.fullmatch(checked.ascii_domain) is None:
        raise EmailNotValidError("The part after the @-sign does not end in a top-level domain.")
    return checked.ascii_email or address


def _shown(address: str) -> str:
    return repr(address if len(address) <= 80 else address[:77] + "…")
