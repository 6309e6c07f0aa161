"""The sends that one transaction's events are about: each is read once and written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.core.digests import smtp_trace

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.ports import Tx


class Ledger:
    """
    Rows of the ledger in the hands of the evaluating transaction, which alone may write them.

    SendGrid posts what happened to one email together: delivered right after processed. Whoever
    else reads or writes sends in the same transaction calls `write` before; nothing of it outlives
    a transaction.
    """

    def __init__(self) -> None:
        self._rows: dict[int, SendRow] = {}
        self._heard: dict[int, SendRow] = {}
        self._causes: dict[int, str] = {}
        self._traced: dict[str, int] = {}

    def get(self, tx: Tx, number: int) -> SendRow | None:
        """One send."""
        row = self._rows.get(number)
        if row is None:
            row = tx.sends.get(number)
            if row is not None:
                self._rows[number] = row
        return row

    def held(self, row: SendRow) -> SendRow:
        """A row found some other way: as it is in hand, if it is."""
        return self._rows.setdefault(row.id, row)

    def hear(self, row: SendRow) -> None:
        """Have a row that is in hand, and not in any lane, written with the others."""
        self._heard[row.id] = row

    def cause(self, tx: Tx, row: SendRow) -> str:
        """What the event is called that a send is because of; "" if it is gone."""
        if row.event is None:
            return ""
        known = self._causes.get(row.event)
        if known is None:
            event = tx.events.get(row.event)
            known = "" if event is None else event.message_id or str(event.id)
            self._causes[row.event] = known
        return known

    def trace(self, tx: Tx, row: SendRow, smtp_id: str) -> None:
        """Let an ``smtp-id`` lead to a send."""
        if self._traced.get(smtp_id) != row.id:
            tx.sends.add_trace(smtp_trace(smtp_id), row.id)
            self._traced[smtp_id] = row.id

    def write(self, tx: Tx) -> None:
        """Write what was heard, and have everything read again."""
        for row in self._heard.values():
            tx.sends.save(row)
        self.forget()

    def forget(self) -> None:
        """The transaction was undone, or is over."""
        self._rows.clear()
        self._heard.clear()
        self._causes.clear()
        self._traced.clear()
