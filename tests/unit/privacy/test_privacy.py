"""Privacy: one policy for what is kept and what is said."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetransfer.errors import ConfigurationError
from livetransfer.privacy import Privacy, spoken

TALK = (
    "I wanted to pay with 4111 1111 1111 1111. My date of birth is 3 May 1987. "
    "My password is swordfish. Call me back under +49 30 1234567."
)


@pytest.mark.parametrize(
    ("numbers", "kept"), [("keep", "+15550100"), ("last4", "…0100"), ("drop", None)]
)
def test_numbers(numbers: Any, kept: str | None) -> None:
    privacy = Privacy(numbers=numbers)
    assert privacy.number("+15550100") == kept
    assert privacy.number(None) is None
    address = privacy.text("sip:+15550100@pbx.example.com answered 486")
    assert address == f"sip:{kept or '…'}@pbx.example.com answered 486"
    assert privacy.text("call-_+15105550100_Ab3D") == (
        "call-_+15105550100_Ab3D" if numbers == "keep" else f"call-_{kept or '…'}_Ab3D"
    )


def test_times_and_names_are_no_numbers() -> None:
    text = "2026-05-03 12:30:01.123456 human-ab12cd345678 v1.2.3 took 1234567.25 s"
    assert Privacy().text(text) == text


@pytest.mark.parametrize(
    "said",
    [
        "030.1234567",
        "030 / 1234567",
        "(030) 123\u20114567",
        "555.4567",
        "zero three zero one two three four five six seven",
        "zero three o, o o three, four five six seven",
        "oh three oh, one two three, forty five six seven",
        "null drei null eins zwei drei vier fünf sechs sieben",
        "zero three zero 1 2 3 4 5 6 7 and four five six seven",
    ],
)
def test_numbers_however_they_are_said(said: str) -> None:
    text = f"Please call {said}, in the morning."
    dropped = Privacy(numbers="drop").text(text)
    assert not any(digit in dropped for digit in "0123456789")
    assert not any(word in dropped for word in ("three", "six", "seven", "drei", "sieben"))
    assert dropped.endswith(", in the morning.")
    assert "4567" in Privacy(numbers="last4").text(text)
    assert Privacy(numbers="keep").text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "it cost three thousand four hundred and fifty",
        "between nine thirty and ten thirty, or at eleven fifteen",
        "2026-05-03 – 2026-05-04, 2026-05-03 to 2026-05-04",
        "1, 2, 3, 4, 5, 6, 7 of 10",
        "it took 12.345678 s, or 1234567.25 s, or 0.123456 s",
        "one of the two, or three of the four, at half past five",
    ],
)
def test_what_is_no_number_stays(text: str) -> None:
    assert Privacy(numbers="drop").text(text) == text


def test_words_are_kept_without_secrets_or_dropped() -> None:
    kept = Privacy().told(TALK)
    assert kept is not None
    for secret in ("4111", "1987", "swordfish", "30 123"):
        assert secret not in kept
    assert "…4567" in kept
    assert Privacy(words="drop").told(TALK) is None
    assert Privacy(words="drop").conversation([("a", "b")]) == [None]
    assert "+49 30 1234567" in Privacy().spoken(TALK)  # a human is told whom to call back


def test_more_can_be_taken_out() -> None:
    privacy = Privacy(also=lambda text: text.replace("Smith", "[name]"))
    assert privacy.told("Mr Smith called") == "Mr [name] called"
    assert privacy.lines([("caller", "I am Smith")]) == ["I am [name]"]


@pytest.mark.parametrize("bad", [lambda text: 1 / 0, lambda text: None, lambda text: 7])
def test_where_that_fails_nothing_is_told(bad: Any) -> None:
    assert Privacy(also=bad).told("Mr Smith called") == "[withheld]"


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": "some"},
        {"numbers": "first"},
        {"retention": 30},
        {"retention": timedelta(0)},
        {"also": "x"},
    ],
)
def test_what_it_does_not_know_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Privacy(**wrong)


def test_logs(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("livetransfer.a_test")
    privacy = Privacy()
    logger.addFilter(privacy)
    try:
        logger.warning("a person was dialled", extra={"lk.pii.number": "+15550100", "other": "x"})
    finally:
        logger.removeFilter(privacy)
    record = vars(caplog.records[-1])
    assert record["lk.pii.number"] == "…0100"
    assert record["other"] == "x"


WORDS = "Ms Miller of {}, whose password is swordfish"


@pytest.mark.parametrize("words", ["keep", "drop"])
def test_tracebacks_in_logs(words: Any, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("livetransfer.a_test")
    privacy = Privacy(words=words)
    logger.addFilter(privacy)

    def asked(number: str) -> None:
        try:
            raise KeyError(number)
        except KeyError as error:
            raise ValueError(WORDS.format(number)) from error

    try:
        try:
            asked("+493012345678")
        except ValueError:
            logger.exception("a hook failed")
        logger.error("another one", exc_info=KeyError("+493012345678"))
    finally:
        logger.removeFilter(privacy)
    assert "KeyError" in caplog.text
    assert "ValueError" in caplog.text
    assert "raise KeyError(number)" in caplog.text
    assert "12345678" not in caplog.text
    assert "swordfish" not in caplog.text
    assert ("Ms Miller" in caplog.text) == (words == "keep")
    assert all(record.exc_info is None for record in caplog.records)


async def pieces(text: str, sizes: list[int]) -> AsyncIterator[str]:
    at = 0
    for size in sizes:
        yield text[at : at + size]
        at += size
    yield text[at:]


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=60))
def test_a_model_that_says_it_in_pieces(sizes: list[int]) -> None:
    async def say() -> str:
        return "".join([piece async for piece in spoken(pieces(TALK, sizes), Privacy())])

    said = asyncio.run(say())
    for secret in ("4111", "1111", "1987", "swordfish"):
        assert secret not in said
    assert said.startswith("I wanted to pay with [card withheld]")
    assert said.endswith("Call me back under +49 30 1234567.")


def test_sentences_are_said_as_they_come() -> None:
    async def say() -> list[str]:
        text = "First sentence. Second sentence. The number is 4111. 1111 1111 1111. Done"
        return [piece async for piece in spoken(pieces(text, [1] * len(text)), Privacy())]

    said = asyncio.run(say())
    assert said[:2] == ["First sentence. ", "Second sentence. "]
    assert "1111" not in "".join(said)


def test_json_is_cleaned_in_depth() -> None:
    found = Privacy().plain({"a": ["+15550100", {"b": "sip:+15550101@x.example"}], "c": 3})
    assert json.dumps(found, ensure_ascii=False) == (
        '{"a": ["…0100", {"b": "sip:…0101@x.example"}], "c": 3}'
    )
