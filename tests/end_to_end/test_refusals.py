"""What the vendors refuse: who waits, who is given up, and who goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support import oracle
from tests.support.service import World, world
from tests.support.stories import (
    alerts,
    happened,
    home_of,
    identified,
    mails_to,
    pauses,
    take,
    verdicts,
)

from homing.emulators import Answer
from homing.emulators.clock import wall_clock
from homing.emulators.ledger import RecordedRequest

MAIL = "/v3/mail/send"
KEY = 'api_key = "${SENDGRID_API_KEY}"'
FORBIDDEN = "access forbidden: the key may not send mail"
BAD_DATA = "The dynamic template data is not what it should be"


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A world."""
    async with world(tmp_path, processes=1) as place:
        yield place


def refusal(status: int, message: str, field: str | None = None, **headers: str) -> Answer:
    """An error as SendGrid spells it."""
    body = json.dumps({"errors": [{"message": message, "field": field, "help": None}]})
    return Answer(status, body.encode(), {"Content-Type": "application/json", **headers})


def orders(user: str, number: int) -> list[dict[str, object]]:
    return [happened("Order Completed", user, total=n + 1) for n in range(number)]


def is_mail(request: RecordedRequest) -> bool:
    return request.path == MAIL


def attempts(w: World) -> list[tuple[object, ...]]:
    """Every attempt that was written down as one."""
    return oracle.rows(w.service.state, "SELECT send, outcome, detail FROM attempt ORDER BY 1")


class TestTheKeyIsRefused:
    async def test_one_answer_pauses_mail_until_a_reload_brings_a_good_key(
        self, tmp_path: Path
    ) -> None:
        """P5, P6: 401 pauses mail after one answer and burns no attempt; a good key frees all."""
        key = tmp_path / "key"
        key.write_text("SG.not-the-key-0123456789")
        async with world(tmp_path, processes=1, start=False) as w:
            w.service.edit(KEY, f'api_key = "${{file:{key}}}"')
            await w.service.start()
            await take(w, *orders("ada", 1))
            await w.until(lambda: pauses(w) == {"mail"}, what="paused")
            await take(w, *orders("ada", 2), *(orders(f"ben{n}", 1)[0] for n in range(20)))
            await w.evaluated(23)

            (refused,) = w.sendgrid.requests.to(MAIL)
            assert 401 == refused.status
            first, *rest = w.sends()
            assert ("retry", 0) == (first.state, first.attempt)
            assert {("reserved", 0)} == {(row.state, row.attempt) for row in rest}
            assert "authorization required" in (first.reason or "")
            assert [("paused", "mail")] == [(a.kind, a.subject) for a in alerts(w)]

            key.write_text(w.sendgrid.api_key)
            w.service.reload()
            await w.at_rest()

            assert {"accepted": 23} == w.states()
            assert [401, *[202] * 23] == [r.status for r in w.sendgrid.requests.to(MAIL)]
            assert [1, 1, 2] == [mail.template_data["total"] for mail in mails_to(w, "ada")]
            assert (set(), []) == (pauses(w), alerts(w))
            assert [] == attempts(w)

    async def test_a_restart_forgets_no_pause(self, tmp_path: Path) -> None:
        """P5, P6: started anew, mail is still paused; one send asks whether it must be."""
        async with world(tmp_path, processes=1, start=False) as w:
            w.sendgrid.faults.when(refusal(401, "authorization required"), is_mail)
            await w.service.start()
            await take(w, *orders("ada", 1))
            await w.until(lambda: pauses(w) == {"mail"}, what="paused")
            await take(w, *(orders(f"ben{n}", 1)[0] for n in range(5)))
            await w.evaluated(6)
            await w.service.kill()
            await w.service.start()
            await w.until(lambda: len(w.sendgrid.requests.to(MAIL)) >= 2, what="the probe")
            assert {"mail"} == pauses(w)
            w.sendgrid.faults.clear()
            await w.service.ask("resume", name="mail")
            await w.at_rest()

            # one at the start, and on a slow machine one each time the breaker let one try
            probes = 1 + w.service.log.read_text().count('"half_open"')
            statuses = [r.status for r in w.sendgrid.requests.to(MAIL)]
            refused = statuses.count(401)
            assert [401] * refused + [202] * 6 == statuses
            assert 2 <= refused <= 1 + probes
            assert ([], []) == (alerts(w), attempts(w))

    async def test_resume_lets_mail_go_on(self, w: World) -> None:
        """P5: 403 pauses mail as 401 does; `homing resume mail` tries at once."""
        w.sendgrid.faults.script([refusal(403, FORBIDDEN)])
        await take(w, *orders("ada", 2))
        await w.until(lambda: pauses(w) == {"mail"}, what="paused")
        (alert,) = alerts(w)
        assert FORBIDDEN in alert.text
        await w.service.command("resume", "mail")
        await w.at_rest()

        assert [403, 202, 202] == [r.status for r in w.sendgrid.requests.to(MAIL)]
        assert {("accepted", 1)} == {(row.state, row.attempt) for row in w.sends()}
        assert ([], []) == (alerts(w), attempts(w))

    async def test_suppressions_and_segment_pause_alone(self, w: World) -> None:
        """P5: who refuses suppressions, or calls home, stops neither mail nor the other."""
        w.sendgrid.faults.when(
            refusal(401, "authorization required"), lambda r: r.path.startswith("/v3/asm"), times=1
        )
        w.segment.faults.script([Answer(401)])
        await take(w, *orders("ada", 1), happened("Newsletter Left", "ben"))
        await w.until(lambda: pauses(w) == {"suppressions", "segment"}, what="both paused")
        await take(w, *orders("cyd", 1), happened("Newsletter Left", "dan"))
        await w.evaluated(4)
        await w.until(lambda: w.states()["accepted"] == 2)
        assert 1 == len([r for r in w.sendgrid.requests if r.path.startswith("/v3/asm")])
        assert ([], 1) == (list(w.segment.received), len(w.segment.requests))
        for name in ("suppressions", "segment"):
            await w.service.command("resume", name)
        await w.at_rest()

        assert all(
            w.sendgrid.suppressions.in_group(12345, f"{u}@example.com") for u in ("ben", "dan")
        )
        assert all(home_of(w, user, "track") for user in ("ada", "cyd"))
        assert [] == alerts(w)


class TestTheSenderIsRefused:
    async def test_that_email_alone_waits(self, w: World) -> None:
        """P4, P5: a 403 that names `from` pauses that email; all other mail leaves."""
        w.sendgrid.faults.script(["403-from"])
        await take(w, happened("Digest Due", "ada", n=1))
        await w.until(lambda: pauses(w) == {"email/digest"}, what="paused")
        await take(
            w,
            happened("Digest Due", "ada", n=2),
            happened("Digest Due", "ben", n=1),
            happened("Notice Due", "ada"),
            *orders("ada", 1),
        )
        await w.until(lambda: w.states()["accepted"] == 2, what="the others")
        assert [("paused", "email/digest")] == [(a.kind, a.subject) for a in alerts(w)]
        held = [row for row in w.sends() if row.email == "digest"]
        assert {0} == {row.attempt for row in held}
        assert all(row.reason for row in held)
        await w.service.command("resume", "email/digest")
        await w.at_rest()

        assert {"accepted": 5} == w.states()
        digests = [m.template_data["n"] for m in mails_to(w, "ada") if "n" in m.template_data]
        assert [1, 2] == digests
        assert (set(), []) == (pauses(w), alerts(w))


class TestOneSendIsRefused:
    @pytest.mark.parametrize("status", [400, 413])
    async def test_it_is_dead_with_the_words_of_the_api_and_its_lane_goes_on(
        self, w: World, status: int
    ) -> None:
        """P4, P5: 400 and 413 kill one send, told in the API's words; the person's next leaves."""
        bad = refusal(status, BAD_DATA, "personalizations.0.dynamic_template_data")

        def is_second(request: RecordedRequest) -> bool:
            return b"ada@example.com" in request.body and b'"total":2' in request.body

        w.sendgrid.faults.when(bad, is_second)
        await take(w, *orders("ada", 3), *orders("ben", 1))
        await w.at_rest()

        states = [(row.user, row.state) for row in w.sends()]
        assert [
            ("ada", "accepted"), ("ada", "rejected"), ("ada", "accepted"), ("ben", "accepted"),
        ] == states  # fmt: skip
        (_, reason) = verdicts(w, "ada")[1][1:]
        assert reason is not None
        assert f"HTTP {status}" in reason
        assert BAD_DATA in reason
        assert "personalizations.0.dynamic_template_data" in reason
        assert 4 == len(w.sendgrid.requests.to(MAIL))
        (dead,) = map(json.loads, (await w.service.command("dead", "list", "--json")).splitlines())
        assert BAD_DATA in dead["reason"]

    async def test_a_dead_send_can_be_retried_once_its_cause_is_mended(self, w: World) -> None:
        """P6: `homing dead retry` sends it once."""
        w.sendgrid.faults.script([refusal(400, BAD_DATA)])
        await take(w, *orders("ada", 1))
        await w.until(lambda: w.states()["rejected"])
        (row,) = w.sends()
        await w.service.command("dead", "retry", row.key)
        await w.at_rest()

        assert ({"accepted": 1}, 1) == (w.states(), len(w.sendgrid.accepted))

    async def test_a_refused_opt_out_is_dead_and_the_next_goes_on(self, w: World) -> None:
        """P5: one address that SendGrid does not take stops nobody else's opt-out."""
        w.sendgrid.faults.when(
            refusal(400, "no valid address"),
            lambda r: b"ada@" in r.body and b"asm" in r.path.encode(),
        )
        await take(w, happened("Newsletter Left", "ada"), happened("Newsletter Left", "ben"))
        await take(w, identified("ben", email="ben@example.com", email_opt_out=True))
        await w.at_rest()

        assert (1, 2) == tuple(w.tables()["effects"]["suppressions"][s] for s in ("dead", "done"))
        assert w.sendgrid.suppressions.find("unsubscribes", "ben@example.com")
        assert "no valid address" in await w.service.command("dead", "list", "--json")


class TestTooMany:
    async def test_it_waits_as_told_and_burns_no_attempt(self, w: World) -> None:
        """P6: after a 429 nothing leaves before X-RateLimit-Reset, and no attempt is spent."""
        reset = int(wall_clock()) + 3
        throttled = refusal(
            429, "too many requests",
            **{"X-RateLimit-Reset": str(reset), "X-RateLimit-Remaining": "0"},
        )  # fmt: skip
        w.sendgrid.faults.script([throttled])
        await take(w, *orders("ada", 1))
        await w.until(lambda: w.states()["retry"], what="put off")
        await take(w, *orders("ben", 1), *orders("ada", 1))
        await w.at_rest()

        first, *later = w.sendgrid.requests.to(MAIL)
        assert first.status == 429
        assert [202, 202, 202] == [request.status for request in later]
        assert all(request.at >= reset - 0.05 for request in later)
        assert {("accepted", 1)} == {(row.state, row.attempt) for row in w.sends()}
        assert ([], set(), []) == (attempts(w), pauses(w), alerts(w))
