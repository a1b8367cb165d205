"""All that a destination says is in the request that dials it."""

from __future__ import annotations

from livekit.protocol import sip as proto_sip

from livetransfer import Destination, Media
from livetransfer._livekit.signalling.dial_request import dial_request

PLAIN = Destination("+15550100", trunk_id="ST_1")


def test_what_is_not_said_is_left_to_the_trunk() -> None:
    request = dial_request(PLAIN, None)
    assert request == proto_sip.CreateSIPParticipantRequest(
        sip_call_to="+15550100",
        sip_trunk_id="ST_1",
        wait_until_answered=True,
        hide_phone_number=True,
    )
    assert not request.HasField("media")
    assert not request.HasField("destination")
    assert not request.HasField("display_name")


def test_all_that_a_dial_can_say() -> None:
    request = dial_request(
        PLAIN.but(
            name="Ann",
            caller_id="+15550111",
            display_name="Support",
            to_user_override="100",
            media=Media(encryption="require", codecs=("PCMA", "opus/48000"), media_timeout=60),
            country="DE",
            krisp=True,
            max_duration=600,
            metadata='{"a": 1}',
            include_headers="x",
            headers={"X-A": "1"},
            dtmf="1w2",
        ),
        None,
    )
    assert request.sip_number == "+15550111"
    assert request.display_name == "Support"
    assert request.to_user_override == "100"
    assert request.media.encryption == proto_sip.SIP_MEDIA_ENCRYPT_REQUIRE
    assert [(codec.name, codec.rate) for codec in request.media.codecs] == [
        ("PCMA", 0),
        ("opus", 48000),
    ]
    assert request.media.only_listed_codecs
    assert request.media.media_timeout.ToSeconds() == 60
    assert request.destination.country == "DE"
    assert request.krisp_enabled
    assert request.max_call_duration.ToSeconds() == 600
    assert request.participant_metadata == '{"a": 1}'
    assert request.include_headers == proto_sip.SIP_X_HEADERS
    assert dict(request.headers) == {"X-A": "1"}
    assert request.dtmf == "1w2"


def test_an_empty_display_name_is_said_and_an_encryption_that_is_not_is_not() -> None:
    request = dial_request(PLAIN.but(display_name="", media=Media(media_timeout=30)), None)
    assert request.HasField("display_name")
    assert request.display_name == ""
    present = {field.name for field, _ in request.media.ListFields()}
    assert present == {"media_timeout"}


def test_a_caller_whose_number_is_not_known_is_dialled_for_with_the_trunks() -> None:
    assert dial_request(PLAIN.but(caller_id="caller"), None).sip_number == ""
    direct = Destination("sip:100@pbx.example.com", caller_id="caller")
    assert dial_request(direct, None).sip_number == "anonymous"
