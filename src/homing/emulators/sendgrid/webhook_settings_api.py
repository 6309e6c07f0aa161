"""``/v3/user/webhooks/event``: the settings of event webhooks, their signing, their test."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import NOT_FOUND, ApiError, Refused
from homing.emulators.sendgrid.reading import answered, json_object
from homing.emulators.sendgrid.signing import Signer
from homing.emulators.sendgrid.webhooks import FLAGS, Webhook

PostSample: TypeAlias = Callable[[str, Signer | None], Awaitable[None]]

_OAUTH = ("oauth_client_id", "oauth_token_url")


class WebhookSettingsApi:
    """
    The endpoints.

    Args:
        post_sample: Posts the sample of events to a URL, signed if there is a signer.
    """

    def __init__(self, account: Account, post_sample: PostSample) -> None:
        self._account = account
        self._webhooks = account.setup.webhooks
        self._post_sample = post_sample

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded = self._account.guarded
        base, scope = "/v3/user/webhooks/event", "user.webhooks.event.settings"
        settings = base + "/settings"
        return [
            web.post(settings, guarded(scope + ".create", self._create)),
            web.get(settings + "/all", guarded(scope + ".read", self._all)),
            web.get(settings + "/signed/{id}", guarded(scope + ".read", self._key)),
            web.patch(settings + "/signed/{id}", guarded(scope + ".update", self._sign)),
            web.get(settings + "/{id}", guarded(scope + ".read", self._one)),
            web.patch(settings + "/{id}", guarded(scope + ".update", self._change)),
            web.delete(settings + "/{id}", guarded(scope + ".delete", self._remove)),
            web.post(base + "/test", guarded("user.webhooks.event.test.create", self._test)),
        ]

    async def _all(self, request: web.Request) -> web.Response:
        shown = [self._shown(webhook, request) for webhook in self._webhooks]
        # An account without webhooks shows one empty object.
        return answered({"max_allowed": self._webhooks.max_allowed, "webhooks": shown or [{}]})

    async def _one(self, request: web.Request) -> web.Response:
        return answered(self._shown(self._found(request), request))

    async def _create(self, request: web.Request) -> web.Response:
        body = json_object(request)
        url = _url(body)
        self._refuse_twin(url, None)
        if len(self._webhooks) >= self._webhooks.max_allowed:
            raise Refused(
                400,
                ApiError(
                    "You have reached the maximum number of webhooks per your current billing plan."
                ),
            )
        webhook = self._webhooks.add(url)
        webhook.flags.clear()
        webhook.enabled = False
        self._take(webhook, body)
        return answered(webhook.as_json(), 201)

    async def _change(self, request: web.Request) -> web.Response:
        webhook, body = self._found(request), json_object(request)
        url = _url(body)
        self._refuse_twin(url, webhook)
        webhook.url = url
        self._take(webhook, body)
        return answered(self._shown(webhook, request))

    async def _remove(self, request: web.Request) -> web.Response:
        self._webhooks.remove(self._found(request))
        return web.Response(status=204)

    async def _key(self, request: web.Request) -> web.Response:
        return answered(_key_of(self._found(request)))

    async def _sign(self, request: web.Request) -> web.Response:
        webhook = self._found(request)
        enabled = json_object(request).get("enabled")
        if not isinstance(enabled, bool):
            raise Refused(400, ApiError("enabled is required", "enabled"))
        if not enabled:
            # The key is gone for good: switched on again, there is another.
            webhook.signer = None
        elif webhook.signer is None:
            webhook.signer = Signer()
        self._webhooks.changed(webhook)
        return answered(_key_of(webhook))

    async def _test(self, request: web.Request) -> web.Response:
        body = json_object(request)
        url = _url(body)
        webhook = self._webhooks.find(str(body.get("id"))) or self._webhooks.at(url)
        await self._post_sample(url, None if webhook is None else webhook.signer)
        return web.Response(status=204)

    def _found(self, request: web.Request) -> Webhook:
        webhook = self._webhooks.find(request.match_info["id"])
        if webhook is None:
            raise Refused(404, NOT_FOUND)
        return webhook

    def _refuse_twin(self, url: str, itself: Webhook | None) -> None:
        twin = self._webhooks.at(url)
        if twin is not None and twin is not itself:
            message = f"Webhook at '{url}' already exists. Please provide a unique URL."
            raise Refused(400, ApiError(message))

    def _take(self, webhook: Webhook, body: dict[str, Any]) -> None:
        """Change what the body names, and nothing else."""
        for flag in FLAGS:
            if isinstance(body.get(flag), bool):
                (webhook.flags.add if body[flag] else webhook.flags.discard)(flag)
        if isinstance(body.get("enabled"), bool):
            webhook.enabled = body["enabled"]
        if "friendly_name" in body:
            webhook.friendly_name = body["friendly_name"]
        for name in _OAUTH:
            if name in body:
                webhook.oauth[name] = str(body[name] or "")
        self._webhooks.changed(webhook)

    @staticmethod
    def _shown(webhook: Webhook, request: web.Request) -> dict[str, object]:
        shown = webhook.as_json()
        if request.query.get("include") == "account_status_change":
            shown["account_status_change"] = False
        return shown


def _key_of(webhook: Webhook) -> dict[str, object]:
    key = "" if webhook.signer is None else webhook.signer.public_key
    return {"id": webhook.id, "public_key": key}


def _url(body: dict[str, Any]) -> str:
    url = body.get("url")
    parts = urlsplit(url) if isinstance(url, str) else None
    if not isinstance(url, str) or parts is None or parts.scheme not in {"http", "https"}:
        raise Refused(400, ApiError(f"'{url}' is not a valid url"))
    return url
