"""A server that answers the doctor as it is told to, on a port of its own."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.message import Message
from livekit.protocol import models as proto_models
from livekit.protocol import room as proto_room
from livekit.protocol import rtc as proto_rtc
from livekit.protocol import sip as proto_sip


def refusal(code: str, message: str, status: int) -> Callable[[], web.Response]:
    """What Twirp answers to a request that fails."""
    return lambda: web.json_response({"code": code, "msg": message}, status=status)


def answer(message: Message) -> Callable[[], web.Response]:
    """What Twirp answers to a request."""
    return lambda: web.Response(
        body=message.SerializeToString(), content_type="application/protobuf"
    )


@dataclass
class FakeServer:
    """All is well, unless `answers` or another attribute says so.

    Attributes:
        answers: For a method of the API, what it answers.
        version: What it says it is.
        cloud: Whether it says that it is LiveKit Cloud.
        skew: Seconds that its clock is ahead.
        refuses: The text with which it refuses a token.
        validates: The status with which it answers when it takes one.
        silent: It takes connections and says nothing.
        asked: The methods that were asked for.
    """

    answers: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    version: str = "1.13.5"
    cloud: bool = False
    skew: float = 0.0
    refuses: str | None = None
    validates: int = 200
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> FakeServer:
        """Listen."""
        app = web.Application()
        app.router.add_get("/", self._root)
        app.router.add_get("/rtc/validate", self._validate)
        app.router.add_get("/rtc", self._join)
        app.router.add_post("/twirp/{service}/{method}", self._twirp)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        address: Any = self._runner.addresses[0]
        self.url = f"ws://127.0.0.1:{address[1]}"
        return self

    async def stop(self) -> None:
        """Go."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if self.silent:
            await asyncio.sleep(30)
        date = email.utils.formatdate(time.time() + self.skew, usegmt=True)
        return web.Response(text="OK", headers={"Date": date})

    async def _validate(self, request: web.Request) -> web.Response:
        if self.refuses is not None:
            token = request.query["access_token"]
            return web.Response(status=401, text=self.refuses.replace("TOKEN", token))
        return web.Response(status=self.validates, text="success")

    async def _join(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        info = proto_models.ServerInfo(
            version=self.version,
            edition=(
                proto_models.ServerInfo.Cloud if self.cloud else proto_models.ServerInfo.Standard
            ),
        )
        first = proto_rtc.SignalResponse(join=proto_rtc.JoinResponse(server_info=info))
        await socket.send_bytes(first.SerializeToString())
        await socket.receive()
        return socket

    async def _twirp(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.asked.append(method)
        return self.answers.get(method, ALL_IS_WELL[method])()


TRUNK = proto_sip.SIPOutboundTrunkInfo(
    sip_trunk_id="ST_1",
    address="sip.example.com",
    numbers=["+15550100"],
    transport=proto_sip.SIP_TRANSPORT_TLS,
)
INBOUND = proto_sip.SIPInboundTrunkInfo(sip_trunk_id="ST_in", numbers=["+15550100"])
RULE = proto_sip.SIPDispatchRuleInfo(
    sip_dispatch_rule_id="SDR_1",
    rule=proto_sip.SIPDispatchRule(
        dispatch_rule_individual=proto_sip.SIPDispatchRuleIndividual(room_prefix="call-")
    ),
    trunk_ids=["ST_in"],
)
RULE.room_config.agents.add(agent_name="front-desk")

ALL_IS_WELL: dict[str, Callable[[], web.Response]] = {
    "CreateRoom": answer(proto_models.Room(name="a")),
    "ListParticipants": answer(proto_room.ListParticipantsResponse()),
    "DeleteRoom": answer(proto_room.DeleteRoomResponse()),
    "ListSIPOutboundTrunk": answer(proto_sip.ListSIPOutboundTrunkResponse(items=[TRUNK])),
    "ListSIPInboundTrunk": answer(proto_sip.ListSIPInboundTrunkResponse(items=[INBOUND])),
    "ListSIPDispatchRule": answer(proto_sip.ListSIPDispatchRuleResponse(items=[RULE])),
}
