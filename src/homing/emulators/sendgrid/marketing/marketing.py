"""The marketing side of an account: its state, and what jobs do to it."""

from collections.abc import Sequence

from homing.emulators.clock import Clock
from homing.emulators.later import Later
from homing.emulators.sendgrid.marketing.contacts import Contact, Contacts, RowRefused
from homing.emulators.sendgrid.marketing.downloads import Downloads
from homing.emulators.sendgrid.marketing.fields import BadField, FieldDefinitions
from homing.emulators.sendgrid.marketing.jobs import Job, Jobs
from homing.emulators.sendgrid.marketing.lists import ContactList, Lists
from homing.emulators.sendgrid.marketing.settings import MarketingSettings
from homing.emulators.sendgrid.marketing.upsert_rules import Row, Upsert
from homing.emulators.waiting import Changes


class Marketing:
    """
    Contacts, lists, fields and jobs.

    Args:
        keep: How many of the newest jobs are kept.

        changes: Told when a job ends.
    """

    def __init__(
        self, settings: MarketingSettings, *, clock: Clock, keep: int, changes: Changes
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.contacts = Contacts(clock, self._removed)
        self.lists = Lists()
        self.fields = FieldDefinitions()
        self.downloads = Downloads(settings.file_expires_s, clock)
        self._jobs_later = Later(settings.job_after_s, changes)
        self._shown_later = Later(settings.visible_after_s, changes)
        self.jobs = Jobs(self._jobs_later, self.downloads, clock=clock, keep=keep)
        self._unseen: set[str] = set()

    @property
    def idle(self) -> bool:
        """Tell whether no job is pending and every contact can be found."""
        return self._jobs_later.idle and self._shown_later.idle

    def close(self) -> None:
        """Let nothing more happen of itself."""
        self._jobs_later.close()
        self._shown_later.close()

    def is_seen(self, contact: Contact) -> bool:
        """Tell whether searches and exports find a contact already."""
        return contact.id not in self._unseen

    def upsert(self, upsert: Upsert) -> Job:
        """Start the job of a request to upsert."""

        def work(job: Job) -> None:
            for row in upsert.rows:
                self._apply(row, upsert.list_ids, job)

        return self.jobs.start("upsert", len(upsert.rows), work)

    def delete_contacts(self, contact_ids: Sequence[str]) -> Job:
        """Start a job that deletes contacts; unknown ids are passed over."""

        def work(job: Job) -> None:
            for contact_id in contact_ids:
                job.deleted += self.contacts.remove(contact_id) is not None

        return self.jobs.start("delete", len(contact_ids), work)

    def take_off(self, which: ContactList, contact_ids: Sequence[str]) -> Job:
        """Start a job that takes contacts off a list."""

        def work(job: Job) -> None:
            for contact_id in contact_ids:
                job.deleted += self.lists.take(which.id, contact_id)

        return self.jobs.start("delete", len(contact_ids), work)

    def shown(self, contact: Contact, origin: str) -> dict[str, object]:
        """Show a contact as the API does; `origin` is where the API is."""
        url = f"{origin}/v3/marketing/contacts/{contact.id}"
        return contact.as_json(self.fields.shown(contact.custom), url)

    def _apply(self, row: Row, list_ids: Sequence[str], job: Job) -> None:
        address = row.fields.get("email", "")
        try:
            self._check_address(address)
            contact, what = self.contacts.upsert(row.fields, self._stored(row))
        except (RowRefused, BadField) as refused:
            job.errors.append((address, str(refused)))
            return
        joined = [self.lists.put(list_id, contact) for list_id in list_ids]
        if what == "created":
            job.created += 1
            self._show_later(contact)
        elif what == "updated" or any(joined):
            job.updated += 1
            self.contacts.touch(contact)

    def _check_address(self, address: str) -> None:
        if address in self.jobs.refused_addresses:
            msg = f"'{address}' was refused"
            raise RowRefused(msg)

    def _stored(self, row: Row) -> dict[str, str | float]:
        # A field that was deleted since the request came is passed over.
        return {
            field_id: field.stored(value)
            for field_id, value in row.custom.items()
            if (field := self.fields.find(field_id)) is not None
        }

    def _removed(self, contact: Contact) -> None:
        self.lists.forget(contact)
        self._unseen.discard(contact.id)

    def _show_later(self, contact: Contact) -> None:
        if self.settings.visible_after_s > 0:
            self._unseen.add(contact.id)
            self._shown_later.add(lambda: self._unseen.discard(contact.id))
