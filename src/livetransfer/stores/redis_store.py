"""RedisStore: what workers on several machines share, in a Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from livetransfer._checks import check_seconds
from livetransfer.errors import ConfigurationError, StoreUnavailableError

from . import redis_scripts as scripts
from .counters import Count
from .documents import read_member
from .health import Health
from .port import Groups, StoreHealth
from .redis_scripts import Script
from .states import Grant, LeasePhase, Snapshot, Stale, Taken, Ticket, Usage, Waiting

__all__ = ["RedisStore"]

logger = logging.getLogger("livetransfer")

POLL = 0.5
"""Seconds between two looks for news on a cluster, where nothing is subscribed to."""


class RedisStore:
    """A store in a Redis (5 or newer), shared by the workers of all machines.

    Each step is one script, atomic, by the server's clock: the workers' own clocks do not matter.
    All keys of a team have one hash tag, so that a Redis Cluster keeps them together. A server
    that was emptied is filled again by what is renewed. It can be used on several event loops;
    each has connections of its own.

    Args:
        url: Like ``"redis://localhost"``, ``"rediss://user:password@host:6380/1"`` or
            ``"unix:///run/redis.sock"``.
        prefix: What the keys begin with. Those with different prefixes share nothing.
        within: Seconds that the server may take to answer; a caller waits meanwhile.
        cluster: Whether `url` names a node of a Redis Cluster.

    Raises:
        ConfigurationError: `url` is none, or the extra ``redis`` is not installed.
    """

    shared_by = "all workers"

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "livetransfer",
        within: float = 1.0,
        cluster: bool = False,
    ) -> None:
        if not isinstance(url, str) or urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise ConfigurationError("url", url, 'give a URL like "redis://localhost:6379/0"')
        if not isinstance(prefix, str) or not prefix or set(prefix) & set("{}"):
            raise ConfigurationError("prefix", prefix, "give a text without braces")
        check_seconds("within", within, 0.05, 30)
        try:
            import redis.asyncio  # noqa: F401
        except ImportError:
            raise ConfigurationError(
                "url", _shown(url), "RedisStore needs redis: pip install 'livetransfer[redis]'"
            ) from None
        self._url, self._prefix, self._within, self._cluster = url, prefix, within, cluster
        self._health = Health("the Redis store")
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = (
            weakref.WeakKeyDictionary()
        )

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        """See `TeamStore.listen`."""
        return self._health.listen(listener)

    async def open(self) -> None:
        """See that the server answers.

        Raises:
            StoreUnavailableError: It does not; the message says why.
        """
        await self._run(scripts.SNAPSHOT, self._keys(""), "", "[]")

    async def aclose(self) -> None:
        """Close this event loop's connections; a later use opens new ones. Idempotent."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    # -- one step --------------------------------------------------------------------------

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            from redis.asyncio import Redis, RedisCluster
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            made: Any = RedisCluster if self._cluster else Redis
            client = made.from_url(
                self._url,
                decode_responses=True,
                socket_timeout=self._within,
                socket_connect_timeout=self._within,
                # What was lost on its way is asked for once more here, and says so.
                retry=Retry(NoBackoff(), 0),
            )
            self._clients[loop] = client
        return client

    async def _run(
        self, script: Script, keys: Sequence[str], *args: str, again: Sequence[str] | None = None
    ) -> Any:
        """Run a script that may be run twice: a server that restarted has ended connections.

        Args:
            script: The script.
            keys: Its keys.
            args: Its arguments.
            again: Those with which it is run for the second time, where they are others.

        Raises:
            StoreUnavailableError: The server does not answer, or refuses.
        """
        from redis.exceptions import RedisError

        try:
            try:
                found = await self._once(script, keys, args)
            except _ended():
                found = await self._once(script, keys, args if again is None else again)
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            said = str(error) or type(error).__name__
            self._health.failed(said)
            raise StoreUnavailableError(
                f"the Redis at {_shown(self._url)} cannot be used: {said}. Is it running, and "
                "reachable from here?"
            ) from error
        self._health.answered()
        return found

    async def _once(self, script: Script, keys: Sequence[str], args: Sequence[str]) -> Any:
        from redis.exceptions import NoScriptError

        client = self._client()
        try:
            return await client.evalsha(script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await client.eval(script.text, len(keys), *keys, *args)

    def _keys(self, team: str) -> list[str]:
        tag = f"{self._prefix}:{{{_tag(team)}}}"
        return [f"{tag}:{part}" for part in ("members", "facts", "places", "wants")]

    # -- leases ----------------------------------------------------------------------------

    async def snapshot(
        self, team: str, members: Collection[str], queue: str | None = None
    ) -> Snapshot:
        """See `TeamStore.snapshot`."""
        names = list(members)
        version, now, documents, waiting, cursor, handling = await self._run(
            scripts.SNAPSHOT, self._keys(team), queue or "", json.dumps(names)
        )
        return Snapshot(
            int(version),
            int(now) / 1e3,
            {
                name: read_member(document)
                for name, document in zip(names, documents.split("\n"), strict=False)
                if document
            },
            tuple(_waiting(json.loads(each)) for each in waiting.split("\n") if each),
            cursor if queue is not None else None,
            float(handling.split(" ")[0]) / 1e3 if handling and queue is not None else None,
        )

    async def take(
        self,
        team: str,
        ticket: Ticket,
        groups: Groups,
        *,
        ttl: float,
        capacities: Mapping[str, int] | None = None,
        version: int | None = None,
        turns: Mapping[str, str] | None = None,
    ) -> Taken | Stale | None:
        """See `TeamStore.take`."""
        capacities = capacities or {}
        ask: dict[str, Any] = {
            **_asking(ticket),
            "groups": [list(group) for group in groups],
            "capacities": {name: number for name, number in capacities.items() if number != 1},
            "turns": dict(turns or {}),
            "ttl": _ms(ttl),
            "lease": uuid.uuid4().hex,
        }
        if version is not None:
            ask["version"] = version
        found = await self._run(
            scripts.TAKE,
            self._keys(team),
            json.dumps(ask),
            again=[json.dumps({**ask, "again": True})],
        )
        if found[0] == "stale":
            return Stale()
        if found[0] == "nobody":
            return None
        _, since, names = found
        return Taken(
            tuple(
                Grant(
                    name,
                    ask["lease"],
                    ticket.call,
                    ticket.queue,
                    capacities.get(name, 1),
                    int(since) / 1e3,
                )
                for name in names
            )
        )

    async def renew(self, team: str, grant: Grant, phase: LeasePhase, ttl: float) -> bool:
        """See `TeamStore.renew`."""
        ask = {
            "member": grant.member,
            "lease": grant.id,
            "call": grant.call,
            "queue": grant.queue,
            "capacity": grant.capacity,
            "since": _ms(grant.since),
            "phase": phase,
            "ttl": _ms(ttl),
        }
        return bool(await self._run(scripts.RENEW, self._keys(team), json.dumps(ask)))

    async def release(self, team: str, grant: Grant, usage: Usage) -> None:
        """See `TeamStore.release`."""
        ask: dict[str, Any] = {
            "member": grant.member,
            "lease": grant.id,
            "talked": usage.talked,
            "wrap_up": _ms(usage.wrap_up),
        }
        if usage.answered is not None:
            ask["answered"] = usage.answered
        if usage.autopause_after is not None:
            ask["autopause_after"] = usage.autopause_after
        if usage.autopause_for is not None:
            ask["autopause_for"] = _ms(usage.autopause_for)
        await self._run(scripts.RELEASE, self._keys(team), json.dumps(ask))

    # -- the line --------------------------------------------------------------------------

    async def join(self, team: str, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.join`."""
        await self._join(team, ticket, ttl, stay=False)

    async def stay(self, team: str, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.stay`."""
        await self._join(team, ticket, ttl, stay=True)

    async def _join(self, team: str, ticket: Ticket, ttl: float, *, stay: bool) -> None:
        ask = json.dumps({**_asking(ticket), "ttl": _ms(ttl), "stay": stay})
        wants = "\0".join(["", *sorted(ticket.members), ""])
        await self._run(scripts.JOIN, self._keys(team), ask, wants)

    async def leave(self, team: str, call: str) -> None:
        """See `TeamStore.leave`."""
        await self._run(scripts.LEAVE, self._keys(team), call)

    async def news(self, team: str, version: int, within: float) -> None:
        """See `TeamStore.news`. Each waiting caller subscribes to his team; a cluster is polled."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while (left := until - loop.time()) > 0:
            try:
                if self._cluster:
                    snapshot = await self.snapshot(team, ())
                    if snapshot.version != version:
                        return
                    await asyncio.sleep(min(POLL, left))
                elif await self._heard(team, version, left):
                    return
            except StoreUnavailableError:
                await asyncio.sleep(max(0.0, min(1.0, until - loop.time())))

    async def _heard(self, team: str, version: int, within: float) -> bool:
        """Return whether there was news within `within` seconds.

        Raises:
            StoreUnavailableError: The server does not answer.
        """
        from redis.exceptions import RedisError

        loop = asyncio.get_running_loop()
        until = loop.time() + within
        subscriber = self._client().pubsub(ignore_subscribe_messages=True)
        try:
            await subscriber.subscribe(self._keys(team)[1])
            if (await self.snapshot(team, ())).version != version:
                return True
            while (left := until - loop.time()) > 0:
                if await subscriber.get_message(timeout=left) is not None:
                    return True
            return False
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            self._health.failed(str(error) or type(error).__name__)
            raise StoreUnavailableError("the Redis store has ended a subscription") from error
        finally:
            await subscriber.aclose()

    # -- presence --------------------------------------------------------------------------

    async def pause(
        self, team: str, member: str, reason: str = "", seconds: float | None = None
    ) -> None:
        """See `TeamStore.pause`."""
        ask: dict[str, Any] = {"member": member, "reason": reason}
        if seconds is not None:
            ask["seconds"] = _ms(seconds)
        await self._run(scripts.PAUSE, self._keys(team), json.dumps(ask))

    async def resume(self, team: str, member: str) -> None:
        """See `TeamStore.resume`."""
        await self._run(scripts.RESUME, self._keys(team), member)

    # -- counts ----------------------------------------------------------------------------

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        """See `Counters.count`."""
        keys = [key for count in counts for key in self._counted(count.key)]
        asks = [
            {"amount": count.amount, "limit": count.limit, "ms": _ms(count.seconds)}
            for count in counts
        ]
        over = int(await self._run(scripts.COUNT, keys, entry, json.dumps(asks)))
        return counts[over - 1] if over else None

    async def amend(self, entry: str, key: str, amount: float) -> None:
        """See `Counters.amend`."""
        await self._run(scripts.AMEND, self._counted(key), entry, repr(float(amount)))

    def _counted(self, key: str) -> list[str]:
        tag = f"{self._prefix}:{{counts}}:{key}"
        return [f"{tag}:ends", f"{tag}:amounts"]


def _ended() -> type[Exception]:
    """Return what is raised for a connection that has ended, and not for one that is slow."""
    from redis.exceptions import ConnectionError as Ended

    return Ended


def _asking(ticket: Ticket) -> dict[str, Any]:
    return {
        "call": ticket.call,
        "queue": ticket.queue,
        "priority": ticket.priority,
        "waited": _ms(ticket.waited),
    }


def _waiting(place: Mapping[str, Any]) -> Waiting:
    return Waiting(place["c"], place["q"], int(place["p"]), place["s"] / 1e3)


def _tag(team: str) -> str:
    """Return a team's hash tag: braces of its name would end it early."""
    return "team:" + team.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


def _ms(seconds: float) -> int:
    return round(seconds * 1e3)


def _shown(url: str) -> str:
    """Return a URL without its user and password, and without the query, which may have them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
