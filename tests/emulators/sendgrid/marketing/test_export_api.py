"""Exports over the API: asked for, polled, read as files."""

import csv
import gzip
import io
import json

import pytest

from homing.emulators import MarketingSettings, SendGridEmulator, SendGridSettings

EXPORTS = "/v3/marketing/contacts/exports"


@pytest.fixture
def export(call, http):
    """Ask for an export, wait for it, and return its contacts, one list a file."""

    async def export(sendgrid, read, **body):
        answer = await call(sendgrid, "POST", EXPORTS, body)
        assert 202 == answer.status
        await sendgrid.until(lambda: sendgrid.exports.idle)
        path = f"{EXPORTS}/{(await answer.json())['id']}"
        shown = await (await call(sendgrid, "GET", path)).json()
        assert "ready" == shown["status"]
        files = []
        for url in shown["urls"]:
            async with http.get(url) as file:
                files.append(list(read(await file.read())))
        assert shown["contact_count"] == sum(len(file) for file in files)
        return files

    return export


def csv_rows(raw):
    return csv.DictReader(io.StringIO(raw.decode()))


def packed_csv(raw):
    return csv_rows(gzip.decompress(raw))


def packed_json(raw):
    return map(json.loads, gzip.decompress(raw).splitlines())


def settings(**marketing):
    return SendGridSettings(marketing=MarketingSettings(**marketing))


class TestExport:
    async def test_a_list_becomes_a_file(self, sendgrid, export):
        """CSV, packed, with a header in upper case; custom fields under their names."""
        plan = sendgrid.field_definitions.add("Plan")
        vip, news = sendgrid.lists.add("VIP"), sendgrid.lists.add("News")
        ada = sendgrid.contacts.add("ada@example.com", first_name='A "d", a\nx', city="Ö")
        ada.custom[plan.id] = "pro"
        for which in (vip, news):
            sendgrid.lists.put(which.id, ada)
        sendgrid.contacts.add("eva@example.com")

        ((row,),) = await export(sendgrid, packed_csv, list_ids=[vip.id, news.id])

        assert ("ada@example.com", ada.id, 'A "d", a\nx', "Ö", "pro") == tuple(
            row[name] for name in ("EMAIL", "CONTACT_ID", "FIRST_NAME", "CITY", "Plan")
        )

    async def test_json_is_an_object_a_line(self, sendgrid, export):
        """With the id under another name than elsewhere."""
        ada = sendgrid.contacts.add("ada@example.com", city="Oslo")

        ((row,),) = await export(sendgrid, packed_json, file_type="json")

        assert ("ada@example.com", ada.id, "Oslo", {}) == tuple(
            row[name] for name in ("email", "contact_id", "city", "custom_fields")
        )

    @pytest.mark.parametrize("packing", ["plain", "gzip-encoding"])
    async def test_files_may_come_unpacked(self, export, packing):
        """Plain, or packed for the way only; a client sees the same."""
        async with SendGridEmulator(settings=settings(export_packing=packing)) as sendgrid:
            sendgrid.contacts.add("ada@example.com")

            ((row,),) = await export(sendgrid, csv_rows)

        assert "ada@example.com" == row["EMAIL"]

    async def test_many_contacts_are_several_files(self, export):
        """Each with its own header, and no contact twice."""
        async with SendGridEmulator(settings=settings(export_file_rows=2)) as sendgrid:
            emails = [sendgrid.contacts.add(f"a{n}@example.com").email for n in range(5)]

            files = await export(sendgrid, packed_csv)

        assert [2, 2, 1] == [len(file) for file in files]
        assert emails == [row["EMAIL"] for file in files for row in file]

    async def test_a_file_has_a_size(self, sendgrid, export):
        """In megabytes, before it is packed."""
        for number in range(30):
            sendgrid.contacts.add(f"a{number}@example.com", postal_code="x" * 50_000)

        files = await export(sendgrid, packed_csv, max_file_size=1)

        assert [19, 11] == [len(file) for file in files]

    async def test_nobody_is_a_file_with_a_header(self, sendgrid, export):
        """An empty list, too, can be read."""
        assert [[]] == await export(sendgrid, packed_csv)

    async def test_an_export_is_pending_first(self, sendgrid, call):
        """Without URLs; it shows in the list of all."""
        sendgrid.exports.held = True
        answer = await call(sendgrid, "POST", EXPORTS, {})
        path = f"{EXPORTS}/{(await answer.json())['id']}"

        shown = await (await call(sendgrid, "GET", path)).json()
        listed = await (await call(sendgrid, "GET", EXPORTS)).json()

        assert ("pending", []) == (shown["status"], shown["urls"])
        assert [shown["id"]] == [row["id"] for row in listed["result"]]

    async def test_an_export_can_fail(self, sendgrid, call):
        """With a message, and no file."""
        sendgrid.exports.script(["failure"])
        answer = await call(sendgrid, "POST", EXPORTS, {})
        await sendgrid.until(lambda: sendgrid.exports.idle)

        path = f"{EXPORTS}/{(await answer.json())['id']}"
        shown = await (await call(sendgrid, "GET", path)).json()

        assert ("failure", []) == (shown["status"], shown["urls"])
        assert shown["message"]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"file_type": "xml"}, 400),
            ({"list_ids": ["x"]}, 400),
            ({"list_ids": "x"}, 400),
            ({"list_ids": ["0b1c5d5e-1111-4222-8333-444455556666"]}, 404),
            ({"segment_ids": ["x"]}, 400),
            ({"max_file_size": 0}, 400),
            ({"max_file_size": True}, 400),
            ([], 400),
        ],
    )
    async def test_a_bad_request_is_refused(self, sendgrid, call, body, status):
        """Unknown lists are 404; an unknown export is, too."""
        assert status == (await call(sendgrid, "POST", EXPORTS, body)).status
        assert 404 == (await call(sendgrid, "GET", EXPORTS + "/x")).status

    async def test_a_file_can_meet_a_fault(self, sendgrid, call, http):
        """Readings of files are requests like any other, in a ledger of their own."""
        await call(sendgrid, "POST", EXPORTS, {})
        await sendgrid.until(lambda: sendgrid.exports.idle)
        (made,) = sendgrid.exports
        sendgrid.faults.script(["502"])

        statuses = []
        for _ in range(2):
            async with http.get(sendgrid.url + made.paths[0]) as file:
                statuses.append(file.status)

        assert [502, 200] == statuses == [row.status for row in sendgrid.downloads]
