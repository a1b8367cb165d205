"""ColdTransfer: send the caller on by SIP REFER, or dial the destination and bridge."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from typing_extensions import Unpack

from ._checks import check_choice
from ._flow.caller_session import Context
from ._flow.cold_protocol import NO_PHONE, ColdProtocol
from ._flow.options import TransferOptions
from ._flow.refer_address import Ways
from ._flow.transfer import Transfer
from .answering import AnswerDetector
from .answering.port import check_answer_detector
from .control import CallControl
from .destination import Destination, Method, check_headers
from .errors import (
    ConfigurationError,
    DestinationError,
    UnknownDestinationError,
)
from .outcome import TransferOutcome
from .routing.router import Target

__all__ = ["ColdTransfer"]

logger = logging.getLogger("livetransfer")


class ColdTransfer(Transfer):
    """Sends the caller on without a briefing.

    `run` may be called several times, also for different calls: all state is the run's own.

    Args:
        to: A number, a SIP URI, a Destination, a sequence of them tried in order, a Router, or,
            with `extensions`, a name in that map.
        method: ``"refer"``: ask the caller's phone system by SIP REFER. ``"dial"``: dial the
            destination and bridge. ``"auto"``: REFER, and dial where the REFER itself is refused
            or cannot be made, as for a destination with keys to press; never after the
            destination was reached or may have been.
        headers: SIP headers for the REFER or the INVITE.
        trunk_domain: The host of the caller's trunk; a number is then referred to as
            ``sip:+15550100@trunk_domain``, otherwise as ``tel:+15550100``.
        extensions: Names and what they stand for. A text in `to` must then be one of the names,
            so that it may come from an LLM.
        play_dialtone: Play a dial tone instead of music while a REFER is under way.
        answer_detector: Where somebody is dialled, wait until it knows that no mailbox,
            announcement or busy tone has answered; that attempt has then failed, and the caller is
            still on hold. A person is joined after the first words, 1 to 2 s later than without;
            who says nothing, after 2.5 s; in noise, 10 s at most. None: whoever answers is joined
            at once. Menus and screeners are left to the caller.
        department: What a Router is asked for.
        **options: What every transfer can be told: see `TransferOptions`.

    Raises:
        DestinationError: A destination cannot be used, is unknown, or is not allowed.
        ConfigurationError: Another option cannot be used; the message names it.
    """

    def __init__(
        self,
        to: Target,
        *,
        method: Method = "auto",
        headers: Mapping[str, str] | None = None,
        trunk_domain: str | None = None,
        extensions: Mapping[str, str | Destination] | None = None,
        play_dialtone: bool = False,
        answer_detector: AnswerDetector | None = None,
        department: str | None = None,
        **options: Unpack[TransferOptions],
    ) -> None:
        super().__init__(_extended(to, extensions), department=department, **options)
        self._method: Method = check_choice("method", method, Method)
        self._headers = check_headers(headers or {})
        if trunk_domain is not None:
            _check_host(trunk_domain)
        self._play_dialtone = play_dialtone
        check_answer_detector(answer_detector)
        self._detector = answer_detector
        self._ways = Ways(self._method, trunk_domain)
        if isinstance(self._targets, tuple):
            for destination in self._targets:
                self._ways.plan(destination)

    async def run(self, context: Context) -> TransferOutcome:
        """Transfer the caller; return when it is known what became of it.

        On failure the caller is still on the line, with the AI, and the session as it was. A
        REFER that timed out is `indeterminate`: it may still succeed, and nothing is dialled.

        Args:
            context: The RunContext of the function tool, or the AgentSession.

        Raises:
            ConfigurationError: `context` has no room, or no trunk is set to dial through.
            CallerNotFoundError: Nobody to transfer; or several, of whom the session is linked to
                none and ``caller=`` names none.
            DestinationError: A department is unknown, or somebody in it is not allowed.
            TransferInProgressError: This call is being transferred already; that goes on.

        On cancellation a phone that rings is hung up, the caller is back with the AI within
        0.5 s, and the cancellation is raised again. A REFER cannot be taken back.
        """
        return await self._run(context, lambda _: self._cold())

    __call__ = run

    def _cold(self) -> ColdProtocol:
        return ColdProtocol(
            self._ways,
            play_dialtone=self._play_dialtone,
            privacy=self._privacy,
            detector=self._detector,
        )

    def _completed(self, destination: Destination) -> Destination:
        if not self._headers:
            return destination
        return destination.but(headers={**self._headers, **destination.headers})

    def _check_caller(self, control: CallControl) -> None:
        if self._method == "refer" and control.caller.kind == "web":
            raise ConfigurationError("method", "refer", f'{NO_PHONE}; use method="dial", or "auto"')

    def _dials(self, destination: Destination) -> bool:
        return self._ways.dials(destination)


def _check_host(trunk_domain: str) -> None:
    try:
        host_only = Destination(f"sip:{trunk_domain}").sip_user is None
    except DestinationError:
        host_only = False
    if not host_only:
        raise ConfigurationError(
            "trunk_domain", trunk_domain, 'give a host, like "sip.example.com"'
        )


def _extended(to: Target, extensions: Mapping[str, str | Destination] | None) -> Target:
    """Replace names by what they stand for."""
    if extensions is None or not isinstance(to, Sequence):
        return to
    names = (to,) if isinstance(to, str) else tuple(to)
    found = []
    for name in names:
        if isinstance(name, Destination):
            found.append(name)
            continue
        if name not in extensions:
            raise UnknownDestinationError("to", name, f"use one of {sorted(extensions)}")
        destination = Destination.parse(extensions[name])
        found.append(destination if destination.name else destination.but(name=name))
    return tuple(found)
