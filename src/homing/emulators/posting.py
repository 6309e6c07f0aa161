"""Post a body to a webhook until it is taken, refused for good, or too old."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import aiohttp

from homing.emulators.clock import Clock
from homing.emulators.newest import Newest
from homing.emulators.waiting import Changes


@dataclass(frozen=True, slots=True)
class Post:
    """
    One attempt to post a body.

    Args:
        attempt: Counts from 0.

        status: What the receiver answered; None when it did not, or not yet.
    """

    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    attempt: int = 0
    status: int | None = None

    @property
    def taken(self) -> bool:
        """Any 2xx is success; a redirect is none and is not followed."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Retries:
    """
    When a post is tried again: all in seconds, each wait twice the one before.

    Args:
        given_up: Tells whether an answer's status ends it.
    """

    first_s: float
    most_s: float
    for_s: float
    given_up: Callable[[int], bool] = lambda _: False


class Poster:
    """
    Posts, and remembers every attempt in `posts`.

    Args:
        keep: How many attempts are remembered.

        changes: Told of every attempt's end.
    """

    def __init__(self, *, keep: int, timeout_s: float, clock: Clock, changes: Changes) -> None:
        self.posts: Newest[Post] = Newest(keep)
        self._timeout_s = timeout_s
        self._clock = clock
        self._changes = changes
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        post: Post,
        retries: Retries,
        *,
        resigned: Callable[[Post], Post] = lambda post: post,
    ) -> Post:
        """
        Post until it is taken, refused for good, or `retries.for_s` have passed.

        Args:
            resigned: Makes the headers of another attempt.

        Returns:
            The last attempt.
        """
        gives_up_at = self._clock() + retries.for_s
        wait_s = retries.first_s
        while True:
            post = await self._try(url, post)
            over = post.status is not None and retries.given_up(post.status)
            if post.taken or over or self._clock() + wait_s > gives_up_at:
                return post
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, retries.most_s)
            post = resigned(replace(post, attempt=post.attempt + 1, status=None))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _try(self, url: str, post: Post) -> Post:
        tried = replace(post, status=await self._status(url, post))
        self.posts.append(
            replace(tried, headers=MappingProxyType(dict(post.headers))), len(post.body)
        )
        self._changes.notify()
        return tried

    async def _status(self, url: str, post: Post) -> int | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s)
            )
        try:
            async with self._session.request(
                post.method, url, data=post.body, headers=post.headers, allow_redirects=False
            ) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None
