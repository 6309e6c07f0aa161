"""The endpoint that takes mail, over the wire."""

import asyncio
import gzip
import io
import json

import aiohttp
import pytest
from tests.support.sendgrid_mail import block, mail

from homing.emulators import Faults, Pace, SendGridEmulator, SendGridSettings
from homing.emulators.faults import Answer, FaultPlan


class TestSend:
    async def test_a_mail_is_accepted(self, sendgrid, call):
        """202, no body, one message id of 22 characters for the request."""
        answer = await call(sendgrid, "POST", "/v3/mail/send", mail(custom_args={"k": "v"}))

        assert 202 == answer.status
        assert b"" == await answer.read()
        assert 22 == len(answer.headers["X-Message-Id"])
        (accepted,) = sendgrid.accepted
        assert answer.headers["X-Message-Id"] == accepted.message_id
        assert ("ada@example.com", "Hello", "<p>Hello</p>", "Hello") == (
            accepted.to, accepted.subject, accepted.html, accepted.text
        )  # fmt: skip
        assert {"k": "v"} == accepted.custom_args

    async def test_every_recipient_gets_a_mail(self, sendgrid, call):
        """One mail a recipient, cc and bcc included; custom arguments merged for each."""
        blocks = [
            block("a@example.com", custom_args={"k": "own"}, cc=[{"email": "b@example.com"}]),
            block("c@example.com", bcc=[{"email": "d@example.com"}]),
        ]

        body = mail(personalizations=blocks, custom_args={"k": "root", "r": "1"})
        await call(sendgrid, "POST", "/v3/mail/send", body)

        assert ["a@example.com", "b@example.com", "c@example.com", "d@example.com"] == [
            accepted.to for accepted in sendgrid.accepted
        ]
        assert ["own", "own", "root", "root"] == [m.custom_args["k"] for m in sendgrid.accepted]
        assert 1 == len({accepted.message_id for accepted in sendgrid.accepted})
        assert 4 == len({accepted.sg_message_id for accepted in sendgrid.accepted})

    async def test_sandbox_mode_sends_nothing(self, hooked, call):
        """200, no mail and no event."""
        body = mail(mail_settings={"sandbox_mode": {"enable": True}})

        assert 200 == (await call(hooked, "POST", "/v3/mail/send", body)).status
        await hooked.settle()
        assert [] == list(hooked.accepted)
        assert [] == list(hooked.events)

    @pytest.mark.parametrize(
        ("method", "path", "headers", "status", "message"),
        [
            ("POST", "/v3/mail/send", {"Authorization": "Bearer x"}, 401, "authorization required"),
            ("POST", "/v3/mail/send", {"Authorization": ""}, 401, "authorization required"),
            ("POST", "/v3/mail/send", {"Authorization": "Bearer ä"}, 401, "authorization required"),
            ("GET", "/v3/mail/send", {}, 405, "method not allowed"),
            ("POST", "/v3/mail/sent", {}, 404, "not found"),
            ("POST", "/v3/mail/send", {"Content-Type": "text/plain"}, 415,
             "Content-Type should be application/json."),
        ],
    )  # fmt: skip
    async def test_errors_come_in_the_apis_shape(
        self, sendgrid, call, method, path, headers, status, message
    ):
        """Each error is JSON with message, field and help."""
        answer = await call(sendgrid, method, path, mail(), headers=headers)

        assert status == answer.status
        assert message == (await answer.json())["errors"][0]["message"]

    async def test_a_key_without_the_scope_may_not_send(self, sendgrid, call):
        """403, and no field: it is the key's fault."""
        sendgrid.scopes.discard("mail.send")

        answer = await call(sendgrid, "POST", "/v3/mail/send", mail())

        assert 403 == answer.status
        assert [{"message": "access forbidden", "field": None, "help": None}] == (
            await answer.json()
        )["errors"]

    async def test_an_unverified_sender_is_refused(self, call):
        """403 that names ``from``."""
        settings = SendGridSettings(verified_domains=frozenset({"acme.example"}))
        async with SendGridEmulator(settings=settings) as sendgrid:
            answer = await call(sendgrid, "POST", "/v3/mail/send", mail())

            assert 403 == answer.status
            assert "from" == (await answer.json())["errors"][0]["field"]

    async def test_too_large_a_body_is_refused(self, sendgrid, call):
        """More than 30 MB is 413, and still in the books."""
        body = io.BytesIO(b'{"x": "' + b"x" * 30 * 1024 * 1024 + b'"}')
        headers = {"Content-Type": "application/json"}

        answer = await call(sendgrid, "POST", "/v3/mail/send", data=body, headers=headers)

        assert 413 == answer.status
        assert 413 == sendgrid.requests[-1].status

    async def test_gzip_needs_to_be_enabled(self, sendgrid, call):
        """A compressed body is refused unless the account takes it."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        data = gzip.compress(json.dumps(mail()).encode())

        refused = await call(sendgrid, "POST", "/v3/mail/send", data=data, headers=headers)
        async with SendGridEmulator(settings=SendGridSettings(accepts_gzip=True)) as other:
            taken = await call(other, "POST", "/v3/mail/send", data=data, headers=headers)

        assert (400, 202) == (refused.status, taken.status)

    async def test_memory_is_bounded(self, call):
        """Only the newest mails and requests are kept."""
        async with SendGridEmulator(settings=SendGridSettings(keep=3)) as sendgrid:
            for number in range(5):
                await call(sendgrid, "POST", "/v3/mail/send", mail(f"a{number}@example.com"))

            assert ["a2@example.com", "a3@example.com", "a4@example.com"] == [
                accepted.to for accepted in sendgrid.mailbox
            ]
            assert [3, 4, 5] == [row.sequence for row in sendgrid.requests]
            assert 5 == sendgrid.accepted.total


class TestLedger:
    async def test_every_request_is_in_the_books(self, sendgrid, call):
        """Method, path, headers, bytes, answer: also for what is refused."""
        await call(sendgrid, "POST", "/v3/mail/send", mail("nope"))
        await call(sendgrid, "GET", "/v3/scopes?x=%2B")

        first, second = sendgrid.requests
        assert (1, "POST", "/v3/mail/send", 400) == (
            first.sequence, first.method, first.path, first.status
        )  # fmt: skip
        assert mail("nope") == json.loads(first.body)
        assert "application/json" == first.headers["content-type"]
        assert "personalizations" in first.answer_body.decode()
        assert (2, "/v3/scopes?x=%2B", 200) == (second.sequence, second.path, second.status)
        assert [second] == sendgrid.requests.to("/v3/scopes")


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status", "accepted"),
        [
            ("429", 429, 0),
            ("401", 401, 0),
            ("403-from", 403, 0),
            ("500", 500, 0),
            ("502", 502, 0),
            ("slow", 202, 1),
            (Answer(429, b"{}", {"Retry-After": "7"}), 429, 0),
        ],
    )
    async def test_a_fault_with_an_answer(self, call, fault, status, accepted):
        """The answer is the fault's, and the mail is accepted or not as it says."""
        settings = SendGridSettings(pace=Pace(slow_s=0.01))
        async with SendGridEmulator(settings=settings) as sendgrid:
            sendgrid.faults.script([fault, "ok"])

            first = await call(sendgrid, "POST", "/v3/mail/send", mail())
            second = await call(sendgrid, "POST", "/v3/mail/send", mail())

            assert (status, 202) == (first.status, second.status)
            assert accepted + 1 == len(sendgrid.accepted)
            if isinstance(fault, Answer):
                assert "7" == first.headers["Retry-After"]

    @pytest.mark.parametrize(
        ("fault", "accepted"),
        [("reset-after-accept", 1), ("timeout-after-accept", 1), ("hang", 0), ("garbage", 0)],
    )
    async def test_a_fault_without_an_answer(self, sendgrid, call, fault, accepted):
        """The client learns nothing; whether the mail was accepted is the fault's point."""
        sendgrid.faults.script([fault])

        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await call(sendgrid, "POST", "/v3/mail/send", mail(), timeout_s=0.2)

        assert accepted == len(sendgrid.accepted)
        assert (fault, None) == (sendgrid.requests[0].fault, sendgrid.requests[0].status)

    async def test_a_reset_is_a_reset(self, sendgrid):
        """The socket sees ECONNRESET, not an orderly end."""
        sendgrid.faults.script(["reset-after-accept"])
        reader, writer = await asyncio.open_connection("127.0.0.1", sendgrid.port)
        body = json.dumps(mail()).encode()
        writer.write(
            b"POST /v3/mail/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {sendgrid.api_key}\r\n".encode()
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

        with pytest.raises(ConnectionResetError):
            await reader.read()

        assert 1 == len(sendgrid.accepted)
        writer.close()

    async def test_a_fault_of_sending_spares_other_endpoints(self, sendgrid, call):
        """An unverified sender says nothing about scopes."""
        sendgrid.faults.set_share("403-from", 1.0)

        assert 200 == (await call(sendgrid, "GET", "/v3/scopes")).status
        assert 403 == (await call(sendgrid, "POST", "/v3/mail/send", mail())).status

    async def test_down_and_up_again(self, sendgrid, call):
        """A switch at run time: 503 to everything, then as before."""
        sendgrid.down = True
        assert 503 == (await call(sendgrid, "POST", "/v3/mail/send", mail())).status
        sendgrid.down = False
        assert 202 == (await call(sendgrid, "POST", "/v3/mail/send", mail())).status

    async def test_a_machine_that_is_gone(self, sendgrid, call):
        """Nobody listens, then somebody does, on the same port."""
        port = sendgrid.port
        await sendgrid.stop_listening()
        with pytest.raises(aiohttp.ClientConnectionError):
            await call(sendgrid, "POST", "/v3/mail/send", mail())

        await sendgrid.listen_again()

        assert 202 == (await call(sendgrid, "POST", "/v3/mail/send", mail())).status
        assert port == sendgrid.port

    async def test_the_end_does_not_wait_for_what_hangs(self, http):
        """An emulator closes while a client still waits for its answer."""
        faults = Faults(sendgrid=FaultPlan("sendgrid", {"hang": 1.0}))
        async with SendGridEmulator(faults=faults) as sendgrid:
            waiting = asyncio.create_task(http.post(sendgrid.url + "/v3/mail/send", json=mail()))
            await sendgrid.until(lambda: len(sendgrid.requests) == 1)

        with pytest.raises(aiohttp.ClientError):
            await waiting

    async def test_what_hangs_is_cut_when_the_faults_end(self, http):
        """The client learns that no answer comes, and the next request is served."""
        faults = Faults(sendgrid=FaultPlan("sendgrid", {"hang": 1.0}))
        async with SendGridEmulator(faults=faults) as sendgrid:
            url, headers = (
                sendgrid.url + "/v3/mail/send",
                {"Authorization": f"Bearer {sendgrid.api_key}"},
            )
            hanging = asyncio.ensure_future(http.post(url, json=mail(), headers=headers))
            await sendgrid.until(lambda: len(sendgrid.requests) == 1)

            sendgrid.end_faults()

            with pytest.raises(aiohttp.ClientError):
                await hanging
            async with http.post(url, json=mail(), headers=headers) as response:
                assert 202 == response.status
        assert {"hang": 1} == faults.sendgrid.played
