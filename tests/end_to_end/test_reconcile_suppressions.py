"""Section 9: what webhooks missed is found in SendGrid's lists, and both sides agree again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.support import oracle
from tests.support.service import World, world
from tests.support.stories import Ahead, alerts, happened, identified, mails_to, records, take

from homing.cli.reconcile import SUPPRESSIONS_FIELDS
from homing.core.suppression import Source
from homing.emulators import SendGridSettings, parse_faults

GROUP = 12345
LISTS = ("unsubscribes", "groups", "spam_reports", "bounces", "invalid_emails", "blocks")
SCOPES = {
    "unsubscribes": "global", "spam_reports": "spam", "bounces": "bounce",
    "invalid_emails": "invalid",
}  # fmt: skip


def behind() -> SendGridSettings:
    """A SendGrid whose rows are older than what is left to webhooks."""
    return SendGridSettings(clock=Ahead(-120.0))


async def reconciled(w: World, *options: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """`homing reconcile suppressions --json`: the rows by list."""
    out = await w.service.command("reconcile", "suppressions", "--json", *options, code=code)
    rows = {row["list"]: row for row in map(json.loads, out.splitlines())}
    assert set(LISTS) == set(rows)
    return rows


def at_sendgrid(w: World) -> set[tuple[str, str]]:
    """Every address and scope that SendGrid drops mail for."""
    lists = w.sendgrid.suppressions
    found = {(row.email, scope) for name, scope in SCOPES.items() for row in lists.rows(name)}
    return found | {(email, "group:newsletter") for email in lists.groups[GROUP].suppressed}


def at_home(w: World) -> set[tuple[str, str]]:
    """Every address and scope that Homing refuses mail for."""
    sql = "SELECT address, scope FROM suppression WHERE active = 1"
    return set(oracle.rows(w.service.state, sql))


def named(rows: dict[str, dict[str, Any]], missing: str) -> set[str]:
    """The addresses that a report names."""
    every = (one for row in rows.values() for one in row["named"])
    return {one["address"] for one in every if one["missing"] == missing}


def identifies(w: World) -> dict[str, dict[str, Any]]:
    """The last traits that came home, by user."""
    calls = (dict(call) for call in w.segment.received if call["type"] == "identify")
    return {str(call["userId"]): call["traits"] for call in calls}


class TestLostWebhooks:
    @pytest.mark.parametrize("processes", [1, 2])
    async def test_after_one_cycle_both_sides_agree_and_the_report_names_what_was_lost(
        self, tmp_path: Path, processes: int
    ) -> None:
        """A share of the webhooks is dropped; opt-outs on every list, some of them taken back."""
        fates = ("bounce", "spam", "invalid", "unsubscribe", "leaver", "comer", "stayer")
        users = [f"{fate}+{n}" for fate in fates for n in range(8)]
        faults = parse_faults(["webhook=drop:0.3"], seed=7)
        async with world(tmp_path, processes=processes, faults=faults, settings=behind()) as w:
            await take(w, *(happened("Digest Due", user) for user in users))
            await w.at_rest()
            for user in users:
                if user.startswith(("leaver", "comer")):
                    w.sendgrid.recipients.unsubscribe(mails_to(w, user)[0])
            await w.at_rest()
            w.sendgrid.suppressions.add("unsubscribes", "byhand@example.com")
            for user in users:
                if user.startswith("comer"):
                    w.sendgrid.recipients.resubscribe(mails_to(w, user)[0])
            await w.at_rest()
            theirs, ours = at_sendgrid(w), at_home(w)
            lost = {address for address, _ in theirs - ours}
            kept = {address for address, _ in ours - theirs}
            assert len(lost) > 5

            rows = await reconciled(w)
            await w.at_rest()

            assert at_sendgrid(w) == at_home(w)
            assert lost <= named(rows, "here")
            assert lost | kept == named(rows, "here")
            assert set() == named(rows, "there")
            (alert,) = (one for one in alerts(w) if one.kind == "reconciled")
            assert 1 == alert.count
            said = identifies(w)
            for address in lost - {"byhand@example.com"}:
                traits = said[address.partition("@")[0]]
                assert traits["email_suppressed"] or traits["email_groups_unsubscribed"]
            # at rest: nothing is found, nothing is written
            before = len(w.segment.received)
            again = await reconciled(w, "--full")
            await w.at_rest()
            assert {0} == {
                row[f"{done}_{side}"]
                for row in again.values()
                for done in ("missing", "repaired")
                for side in ("here", "there")
            }
            assert before == len(w.segment.received)

    async def test_an_opt_out_on_either_side_reaches_the_other_without_any_webhook(
        self, tmp_path: Path
    ) -> None:
        """By the schedule alone: the first soon after the start, then one each interval."""
        async with world(tmp_path, start=False, settings=behind()) as w:
            w.sendgrid.webhook_url = None
            w.service.edit("[suppression]\n", '[suppression]\nreconcile = "1s"\n')
            await w.service.start()
            lists = w.sendgrid.suppressions
            await take(w, happened("Digest Due", "ann"), identified("bob", email_opt_out=True,
                       email="bob@example.com", at_s=-600))  # fmt: skip
            await w.until(lambda: lists.find("unsubscribes", "bob@example.com"))
            lists.remove("unsubscribes", "bob@example.com")
            lists.add_to_group(GROUP, "ann@example.com")

            await w.until(lambda: lists.find("unsubscribes", "bob@example.com"))
            await w.until(lambda: ("ann@example.com", "group:newsletter") in at_home(w))

            assert Source.SEGMENT is records(w, "bob@example.com")["global"].source
            await w.segment.until(lambda: "ann" in identifies(w))
            assert ["newsletter"] == identifies(w)["ann"]["email_groups_unsubscribed"]


class TestKilled:
    @pytest.mark.parametrize("processes", [1, 2])
    async def test_killed_amid_a_reconciliation_it_is_finished_after_the_restart(
        self, tmp_path: Path, processes: int
    ) -> None:
        """Died after each lot of rows: those that were read are not read again, none is lost."""
        settings = behind()
        async with world(tmp_path, start=False, processes=processes, settings=settings) as w:
            lists = w.sendgrid.suppressions
            for number in range(1_300):
                lists.add("bounces", f"b{number}@example.com", reason="550 no such user")
                lists.add_to_group(GROUP, f"g{number}@example.com")
            await w.service.start()
            await w.service.stop()
            w.service.edit("[suppression]\n", '[suppression]\nreconcile = "1s"\n')
            for _ in range(2):
                before = len(at_home(w))
                await w.service.launch(HOMING_CRASH_AT="after_repairs")
                if processes == 1:
                    assert -9 == await w.service.exited()
                else:
                    # the supervisor starts a worker anew, which dies at the next lot
                    await w.until(lambda before=before: _found(w) > before)
                    await w.service.kill()
            assert 0 < len(at_home(w)) < 2_600
            w.service.edit('reconcile = "1s"', 'reconcile = "1h"')
            await w.service.start()

            await w.until(lambda: at_sendgrid(w) == at_home(w))
            await w.until(lambda: _last(w) is not None)

            offsets = [r.path for r in w.sendgrid.requests if "/suppression/bounces" in r.path]
            assert 3 == len({path for path in offsets if "offset=" in path})
            last = _last(w)
            assert last is not None
            assert (1_300, 1_300) == tuple(
                last["readings"]["bounces"]["tally"][name] for name in ("pulled", "repaired_here")
            )


class TestCommand:
    async def test_whoever_waits_for_it_waits_out_a_restart_of_the_service(
        self, tmp_path: Path
    ) -> None:
        """The worker is killed amid the reconciliation; the command tells what it came to."""
        async with world(tmp_path, settings=behind()) as w:
            lists = w.sendgrid.suppressions
            for number in range(1_300):
                lists.add("unsubscribes", f"u{number}@example.com")
            w.sendgrid.faults.script(["slow"] * 3)
            waiting = asyncio.create_task(reconciled(w))
            await w.until(lambda: len(at_home(w)) >= 500)
            await w.service.kill_child("worker")
            rows = await waiting

            assert (1_300, 1_300) == tuple(
                rows["unsubscribes"][name] for name in ("pulled", "repaired_here")
            )
            assert at_sendgrid(w) == at_home(w)

    async def test_for_people_there_are_two_tables(self, tmp_path: Path) -> None:
        """What each list came to, and by name what was missing; `--last` stands alone."""
        async with world(tmp_path, settings=behind()) as w:
            w.sendgrid.suppressions.add("bounces", "ann@example.com", reason="550\x1b[31m")
            out = await w.service.command("reconcile", "suppressions")
            await w.service.command("reconcile", "suppressions", "--last", "--full", code=2)
            (row, *_) = (await reconciled(w, "--last")).values()

            assert "WHAT WAS MISSING" in out
            assert "bounces  ann@example.com  here" in out
            documented = {name.strip() for key in SUPPRESSIONS_FIELDS for name in key.split(",")}
            assert documented == set(row)

    async def test_without_a_service_it_is_done_to_the_store(self, tmp_path: Path) -> None:
        """What SendGrid and Segment are to be told waits for the service."""
        async with world(tmp_path, settings=behind()) as w:
            await take(w, happened("Digest Due", "ann"))
            await w.at_rest()
            await w.service.stop()
            w.sendgrid.suppressions.add("spam_reports", "ann@example.com")

            dry = await reconciled(w, "--dry-run")
            assert (1, 0) == (
                dry["spam_reports"]["missing_here"], dry["spam_reports"]["repaired_here"],
            )  # fmt: skip
            assert set() == at_home(w)
            rows = await reconciled(w)

            assert 1 == rows["spam_reports"]["repaired_here"]
            assert {("ann@example.com", "spam")} == at_home(w)
            assert rows == await reconciled(w, "--last")
            await w.service.start()
            await w.segment.until(lambda: "ann" in identifies(w))

    async def test_a_list_that_may_not_be_read_is_named_with_its_scope_and_the_rest_goes_on(
        self, tmp_path: Path
    ) -> None:
        """403: exit code 1, an alert with the cure; sending goes on, and so do other lists."""
        async with world(tmp_path, settings=behind()) as w:
            w.sendgrid.scopes.discard("suppression.read")
            w.sendgrid.suppressions.add_to_group(GROUP, "ann@example.com")

            rows = await reconciled(w, code=1)
            await take(w, happened("Order Completed", "bob", total=1))
            await w.at_rest()

            assert "suppression.bounces.read" in rows["bounces"]["error"]
            assert {("ann@example.com", "group:newsletter")} == at_home(w)
            refused = {one.subject for one in alerts(w) if one.kind == "reconcile_refused"}
            assert set(LISTS) - {"groups"} == refused
            assert 1 == len(mails_to(w, "bob"))

    async def test_in_capture_mode_nothing_is_asked(self, tmp_path: Path) -> None:
        """Exit 78, and why."""
        async with world(tmp_path, sendgrid_extra='mode = "capture"') as w:
            await w.service.command("reconcile", "suppressions", code=78)
            assert [] == [r.path for r in w.sendgrid.requests]

    async def test_while_sendgrid_is_down_it_says_so_and_goes_on_by_itself(
        self, tmp_path: Path
    ) -> None:
        """Exit 69; the service tries again."""
        async with world(tmp_path, start=False, settings=behind()) as w:
            w.service.edit("[suppression]\n", '[suppression]\nreconcile = "5s"\n')
            await w.service.start()
            w.sendgrid.suppressions.add("bounces", "ann@example.com")
            w.sendgrid.down = True
            await w.service.command("reconcile", "suppressions", code=69)
            w.sendgrid.down = False

            await w.until(lambda: {("ann@example.com", "bounce")} == at_home(w))


def _found(w: World) -> int:
    """How much Homing refuses mail for; 0 while the file is being recovered."""
    try:
        return len(at_home(w))
    except apsw.BusyError:
        return 0


def _last(w: World) -> dict[str, Any] | None:
    """What is kept of the last reconciliation."""
    (text,) = oracle.rows(
        w.service.state, "SELECT value FROM meta WHERE key = 'reconcile:suppressions'"
    )[0]
    last: dict[str, Any] | None = json.loads(text)["last"]
    return last
