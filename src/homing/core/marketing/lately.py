"""Which contacts were written a short while ago: SendGrid may not show them yet."""

from __future__ import annotations

from collections.abc import Iterable

LATELY_MS = 300_000
"""How long what was written may take to be visible."""

MOST = 100_000


class Lately:
    """Addresses that were written lately, as far as this process knows; at most 100,000."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}

    def note(self, addresses: Iterable[str], *, now_ms: int) -> None:
        """They have been written."""
        for address in addresses:
            self._at.pop(address, None)
            self._at[address] = now_ms
        while self._at:
            oldest = next(iter(self._at))
            if len(self._at) <= MOST and self._at[oldest] > now_ms - LATELY_MS:
                break
            del self._at[oldest]

    def renew(self, addresses: Iterable[str], *, now_ms: int) -> None:
        """Those of them that this process has written: only now all of it is done."""
        self.note([one for one in addresses if one in self._at], now_ms=now_ms)

    def forget(self, addresses: Iterable[str]) -> None:
        """They were seen, and are gone."""
        for address in addresses:
            self._at.pop(address, None)

    def holds(self, address: str, *, now_ms: int) -> bool:
        """Whether an address was written lately."""
        at = self._at.get(address)
        return at is not None and at > now_ms - LATELY_MS
