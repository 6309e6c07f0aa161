"""``/v3/asm``: unsubscribe groups, their suppressions, and the global unsubscribes."""

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import NOT_FOUND, ApiError, Refused, refused
from homing.emulators.sendgrid.reading import (
    answered,
    json_object,
    last_segment,
)
from homing.emulators.sendgrid.recipient_rules import is_address
from homing.emulators.sendgrid.suppressions import Group


class GroupApi:
    """Unsubscribes, by group and global."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._suppressions = account.suppressions

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded = self._account.guarded
        groups, group = "/v3/asm/groups", "/v3/asm/groups/{group_id}"
        held = "asm.groups.suppressions"
        everything = "/v3/asm/suppressions/global"
        return [
            web.get(groups, guarded("asm.groups.read", self._groups)),
            web.post(groups, guarded("asm.groups.create", self._add_group)),
            web.get(group, guarded("asm.groups.read", self._group)),
            web.patch(group, guarded("asm.groups.update", self._change_group)),
            web.delete(group, guarded("asm.groups.delete", self._remove_group)),
            web.get(group + "/suppressions", guarded(held + ".read", self._held)),
            web.post(group + "/suppressions", guarded(held + ".create", self._add)),
            web.post(group + "/suppressions/search", guarded(held + ".read", self._search)),
            web.delete(group + "/suppressions/{email}", guarded(held + ".delete", self._remove)),
            web.get("/v3/asm/suppressions", guarded(held + ".read", self._all)),
            web.post(everything, guarded("asm.suppressions.global.create", self._add_global)),
            web.get(everything + "/{email}", guarded("asm.suppressions.global.read", self._global)),
            web.delete(
                everything + "/{email}",
                guarded("asm.suppressions.global.delete", self._remove_global),
            ),
            web.get("/v3/asm/suppressions/{email}", guarded(held + ".read", self._of_address)),
        ]

    async def _groups(self, request: web.Request) -> web.Response:
        wanted = set(request.query.getall("id", []))
        return answered(
            [
                _as_json(group)
                for group in self._suppressions.groups.values()
                if not wanted or str(group.id) in wanted
            ]
        )

    async def _group(self, request: web.Request) -> web.Response:
        group = self._found(request)
        return refused(404, NOT_FOUND) if group is None else answered(_as_json(group))

    async def _add_group(self, request: web.Request) -> web.Response:
        body = json_object(request)
        group = Group(max(self._suppressions.groups, default=0) + 1, _name(body))
        group.description = _text(body, "description", 100)
        group.is_default = body.get("is_default") is True
        self._suppressions.groups[group.id] = group
        return answered(_as_json(group), 201)

    async def _change_group(self, request: web.Request) -> web.Response:
        group = self._found(request)
        if group is None:
            return refused(404, NOT_FOUND)
        body = json_object(request)
        if "name" in body:
            group.name = _name(body)
        if "description" in body:
            group.description = _text(body, "description", 100)
        group.is_default = body.get("is_default", group.is_default) is True
        return answered(_as_json(group), 201)

    async def _remove_group(self, request: web.Request) -> web.Response:
        if self._found(request) is None:
            return refused(404, NOT_FOUND)
        # Everybody who had left the group gets mail again.
        del self._suppressions.groups[_group_id(request)]
        return web.Response(status=204)

    async def _held(self, request: web.Request) -> web.Response:
        group = self._found(request)
        return answered(list(group.suppressed) if group else [])

    async def _add(self, request: web.Request) -> web.Response:
        emails = _recipients(request)
        for email in emails:
            self._suppressions.add_to_group(_group_id(request), email)
        return answered({"recipient_emails": emails}, 201)

    async def _search(self, request: web.Request) -> web.Response:
        group_id = _group_id(request)
        found = [e for e in _recipients(request) if self._suppressions.in_group(group_id, e)]
        return answered(found)

    async def _remove(self, request: web.Request) -> web.Response:
        self._suppressions.remove_from_group(_group_id(request), last_segment(request))
        return web.Response(status=204)

    async def _all(self, _: web.Request) -> web.Response:
        return answered(
            [
                {
                    "email": email,
                    "group_id": group.id,
                    "group_name": group.name,
                    "created_at": created,
                }
                for group in self._suppressions.groups.values()
                for email, created in group.suppressed.items()
            ]
        )

    async def _of_address(self, request: web.Request) -> web.Response:
        email = last_segment(request)
        rows = [
            {
                "id": group.id,
                "name": group.name,
                "description": group.description,
                "is_default": group.is_default,
                "suppressed": email in group.suppressed,
            }
            for group in self._suppressions.groups.values()
        ]
        return answered({"suppressions": rows})

    async def _add_global(self, request: web.Request) -> web.Response:
        emails = _recipients(request)
        for email in emails:
            self._suppressions.add("unsubscribes", email)
        return answered({"recipient_emails": emails}, 201)

    async def _global(self, request: web.Request) -> web.Response:
        row = self._suppressions.find("unsubscribes", last_segment(request))
        return answered({} if row is None else {"recipient_email": row.email})

    async def _remove_global(self, request: web.Request) -> web.Response:
        self._suppressions.remove("unsubscribes", last_segment(request))
        return web.Response(status=204)

    def _found(self, request: web.Request) -> Group | None:
        return self._suppressions.groups.get(_group_id(request))


def _group_id(request: web.Request) -> int:
    text = request.match_info["group_id"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(400, ApiError("group_id should be an integer", "group_id"))
    return int(text)


def _recipients(request: web.Request) -> list[str]:
    emails = json_object(request).get("recipient_emails")
    if not isinstance(emails, list) or not emails:
        raise Refused(400, ApiError("recipient_emails is required", "recipient_emails"))
    for index, email in enumerate(emails):
        if not isinstance(email, str) or not is_address(email):
            raise Refused(
                400, ApiError("Does not contain a valid address.", f"recipient_emails.{index}")
            )
    return emails


def _name(body: dict[str, object]) -> str:
    name = _text(body, "name", 30)
    if not name:
        raise Refused(400, ApiError("name is required", "name"))
    return name


def _text(body: dict[str, object], key: str, most: int) -> str:
    text = body.get(key, "")
    if not isinstance(text, str) or len(text) > most:
        message = f"{key} must be a string of at most {most} characters"
        raise Refused(400, ApiError(message, key))
    return text


def _as_json(group: Group) -> dict[str, object]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "is_default": group.is_default,
        "unsubscribes": len(group.suppressed),
    }
