"""What the server's trunks and dispatch rules say about calls that have not been made yet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from livekit.protocol import sip as proto_sip

from livetransfer.finding import Finding, failed, ok, warning

from .signalling.dial_request import TRUNK_VARIABLE

__all__ = ["inspect_inbound", "inspect_trunk"]

_E164 = re.compile(r"\+[1-9][0-9]{4,14}\Z")
_TRANSPORTS = {
    proto_sip.SIP_TRANSPORT_AUTO: "automatic transport",
    proto_sip.SIP_TRANSPORT_UDP: "UDP",
    proto_sip.SIP_TRANSPORT_TCP: "TCP",
    proto_sip.SIP_TRANSPORT_TLS: "TLS",
}
_CREATE = "lk sip outbound create trunk.json"


def inspect_trunk(
    trunks: Sequence[proto_sip.SIPOutboundTrunkInfo], trunk_id: str | None
) -> Finding:
    """Look at the trunk `trunk_id` among the server's `trunks`."""
    name = "outbound trunk"
    known = ", ".join(f"{t.sip_trunk_id} ({t.name})" if t.name else t.sip_trunk_id for t in trunks)
    if trunk_id is None:
        if not trunks:
            return failed(name, "there is none: no phone can be dialled", _CREATE)
        return warning(
            name,
            f"none is set for all transfers; the server has {known}",
            f"set {TRUNK_VARIABLE}={trunks[0].sip_trunk_id}, or give trunk_id= each time",
        )
    trunk = next((t for t in trunks if t.sip_trunk_id == trunk_id), None)
    if trunk is None:
        return failed(
            name,
            f"the server has no trunk {trunk_id!r}; it has {known or 'none'}",
            f"set {TRUNK_VARIABLE} to one of them" if trunks else _CREATE,
        )
    numbers = list(trunk.numbers)
    transport = _TRANSPORTS.get(trunk.transport, str(trunk.transport))
    detail = f"{trunk_id}: {trunk.address}, {transport}, {', '.join(numbers) or 'no number'}"
    edit = f"lk sip outbound update --id {trunk_id}"
    if not trunk.address:
        return failed(name, f"{detail}: it has no address", edit)
    if not numbers:
        return failed(name, f"{detail}: the server does not know whose number to show", edit)
    if bool(trunk.auth_username) != bool(trunk.auth_password):
        return warning(name, f"{detail}: a user name and a password belong together", edit)
    odd = [number for number in numbers if not _E164.match(number)]
    if odd == ["*"]:
        return warning(name, f"{detail}: any number; give caller_id= for each dial", edit)
    if odd:
        return warning(
            name, f"{detail}: {', '.join(odd)} is not in E.164, which most carriers want", edit
        )
    return ok(name, detail)


def inspect_inbound(
    trunks: Sequence[proto_sip.SIPInboundTrunkInfo],
    rules: Sequence[proto_sip.SIPDispatchRuleInfo],
) -> Finding:
    """Look at the way that callers take into a room."""
    name = "inbound dispatch"
    if not trunks:
        return warning(name, "no inbound trunk: nobody can call in", "lk sip inbound create")
    if not rules:
        return failed(
            name, "callers come in and are refused: there is no rule", "lk sip dispatch create"
        )
    known = {trunk.sip_trunk_id for trunk in trunks}
    for rule in rules:
        lost = [trunk_id for trunk_id in rule.trunk_ids if trunk_id not in known]
        if lost:
            return failed(
                name,
                f"the rule {rule.sip_dispatch_rule_id} is for {', '.join(lost)}, which is no "
                "inbound trunk",
                f"lk sip dispatch update --id {rule.sip_dispatch_rule_id}",
            )
    covered = {trunk_id for rule in rules for trunk_id in rule.trunk_ids}
    everywhere = any(not rule.trunk_ids for rule in rules)
    bare = sorted(known - covered) if not everywhere else []
    if bare:
        return warning(
            name,
            f"no rule is for {', '.join(bare)}: its callers are refused",
            "lk sip dispatch create",
        )
    shared = [r for r in rules if r.rule.WhichOneof("rule") == "dispatch_rule_direct"]
    if shared:
        room = shared[0].rule.dispatch_rule_direct.room_name
        return warning(
            name,
            f"the rule {shared[0].sip_dispatch_rule_id} puts all callers into the room {room!r}, "
            "where they hear each other",
            "give it dispatchRuleIndividual, a room for each call",
        )
    agents = sorted({a.agent_name for rule in rules for a in rule.room_config.agents})
    told = f"agents: {', '.join(agents)}" if agents else "agents without a name"
    return ok(name, f"{len(trunks)} trunk(s), {len(rules)} rule(s), {told}")
