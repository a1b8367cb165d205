"""Card numbers, dates of birth and passwords are found, however people say them."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetransfer.privacy.cards_births_passwords import hidden, secrets, secrets_of_lines
from livetransfer.privacy.digit_runs import luhn, runs

CARD = "4111111111111111"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def told(text: str) -> str:
    return hidden(text, secrets(text, this_year=2026))


@pytest.mark.parametrize(
    "text",
    [
        "My card is 4111 1111 1111 1111.",
        "It is 4111-1111-1111-1111, the Visa",
        "card 4111.1111.1111.1111 please",
        "378282246310005 is the Amex",
        "it starts 4111, 1111, and then 1111 uh 1111",
        "four one one one, one one one one, one one one one, one one one one",
        "four triple one, double one double one, one one one one, one one one one",
        "Four One One One One One One One One One One One One One One One",
        "forty one eleven eleven eleven eleven eleven eleven eleven",
        "vier eins eins eins, eins eins eins eins, eins eins eins eins, eins eins eins eins",
        "Order 12 and the card 4111\u00a01111\u00a01111\u00a01111 from May",
        "four" + " oh" * 14 + " two",
        "four" + " o" * 14 + " two",
        "forty hundred, triple oh, triple oh, triple oh, oh oh two",
        "４１１１ １１１１ １１１１ １１１１",
        "+4111111111111111",
    ],
)
def test_a_card_number_is_withheld(text: str) -> None:
    found = told(text)
    assert "[card withheld]" in found
    assert not any(len(run.digits) > 4 for run in runs(found))


@pytest.mark.parametrize(
    "text",
    [
        "I was born on the third of May 1987.",
        "I was born on May 3rd, nineteen eighty-seven",
        "born in 1987",
        "date of birth: 03/05/1987",
        "DOB 1987-05-03",
        "D.O.B. 3.5.87",
        "my birthday is the 3rd of May",
        "My date of birth is zero three, zero five, eighty seven",
        "03 05 87 is my birthday",
        "zero three zero five eighty seven, that's my date of birth",
        "the twenty-third of August two thousand and one",
        "12 August 1999",
        "1/2/80",
        "Ich bin geboren am 3. Mai 1987",
        "Assistant: And your date of birth?\nCaller: Sure, it is 03 05 1987.",
    ],
)
def test_a_date_of_birth_is_withheld(text: str) -> None:
    found = told(text)
    assert "[date withheld]" in found
    left = re.sub(r"\[date withheld\]", "", found)
    assert not re.search(r"19|87|80|May\b(?!\?)|Mai|August|eighty", left), found


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("My password is hunter2.", "hunter2"),
        ("the password's correct horse battery staple", "horse"),
        ("Password: P@ss.w0rd!", "w0rd"),
        ('password "swordfish"', "swordfish"),
        ("my pass code is 4 7 1 1", "4 7"),
        ("my PIN is 4711 by the way", "4711"),
        ("the pin code is four seven one one", "seven"),
        ("the CVV is 123", "123"),
        ("security code on the back, 9 8 7", "9 8 7"),
        ("the verification code they sent is 445 566", "445"),
        ("password for my account is swordfish", "swordfish"),
        ("My password is not long, it is swordfish", "swordfish"),
        ("Mein Passwort lautet Schwertfisch", "Schwertfisch"),
        ("Assistant: What is your password?\nCaller: swordfish", "swordfish"),
        ("my memorable word is swordfish", "swordfish"),
        ("password swordf1sh", "swordf1sh"),
        ("Mein Passwort heißt Schwertfisch", "Schwertfisch"),
        ("das Kennwort, es heisst Schwertfisch", "Schwertfisch"),
        ("my password used to be swordfish", "swordfish"),
        ("4711 is my pin", "4711"),
        ("4711 ist meine PIN", "4711"),
        ("four seven one one, that's my pin", "seven"),
        ("It is 4711. That is the PIN.", "4711"),
        ("123 is the security code", "123"),
        ("swordfish is my password", "swordfish"),
        ("Yes. Swordfish, that's my password.", "Swordfish"),
        ("Caller: Schwertfisch ist mein Passwort", "Schwertfisch"),
        ('"correct horse battery" is my password', "horse"),
        ("use swordfish as the password", "swordfish"),
        ("my PIN is A47B", "A47B"),
        ("my PUK is 12345678", "1234"),
        ("my pin is one two three four, no sorry, four three two one", "three two"),
    ],
)
def test_a_password_is_withheld(text: str, secret: str) -> None:
    assert secret not in told(text)
    assert "[secret withheld]" in told(text)


@pytest.mark.parametrize(
    "text",
    [
        "Their last order was charged twice, and they would like to talk to a person about it.",
        "The order 10045 of 12 May 2026 has not arrived; it cost 129.99 EUR.",
        "They forgot their password and cannot log in.",
        "The password is wrong, so they ask for a reset.",
        "The password is expired.",
        "The problem is my password.",
        "What I forgot is my password",
        "That is my password reset mail.",
        "The link is the password reset.",
        "10045 is my order, and the pin does not work.",
        "Please call +49 30 1234567 or +4930123456789 between 9:00 and 17:00.",
        "One of the two routers was replaced in March; for one of them the case is 445566.",
        "The card was declined twice.",
        "He may come on Friday the third at ten thirty.",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert told(text) == text


def test_a_number_that_is_read_out_over_several_turns_is_found() -> None:
    lines = [
        ("caller", "My card is 4111"),
        ("ai", "Go on."),
        ("caller", "1111, then 1111"),
        ("ai", "Yes?"),
        ("caller", "and 1111. The order is 10045."),
        ("ai", "And your date of birth?"),
        ("caller", "The third of May 1987"),
        ("ai", "And the password, please?"),
        ("caller", "swordfish"),
    ]
    found = secrets_of_lines(lines, this_year=2026)
    kept = [hidden(text, each) for (_, text), each in zip(lines, found, strict=True)]
    whole = "\n".join(kept)
    assert "1111" not in whole
    assert "4111" not in whole
    assert "1987" not in whole
    assert "swordfish" not in whole
    assert "The order is 10045." in kept[4]
    assert kept[1] == "Go on."


def cards() -> st.SearchStrategy[str]:
    def whole(body: str) -> str:
        return next(body + str(d) for d in range(10) if luhn(body + str(d)))

    return st.from_regex(r"[2-6][0-9]{11,17}", fullmatch=True).map(whole)


@st.composite
def said(draw: st.DrawFn) -> tuple[str, str]:
    """A card number, and one way to say it."""
    card, out, at = draw(cards()), "", 0
    words = draw(st.booleans())
    separators = st.sampled_from([" ", "  ", " - ", ", ", ".  ", "\n", " uh, ", "\u00a0"])
    while at < len(card):
        same = len(card[at:]) > 1 and card[at] == card[at + 1]
        if words and same and draw(st.booleans()):
            out += f"double {WORDS[int(card[at])]}"
            at += 2
        else:
            out += WORDS[int(card[at])] if words else card[at]
            at += 1
        out += draw(separators) if words or draw(st.booleans()) else ""
    return card, out


plain = st.text("abcdefg ,.\nxyz", max_size=40)


@settings(deadline=None)
@given(said(), plain, plain)
def test_no_way_to_say_a_card_number_gets_through(
    spoken: tuple[str, str], before: str, after: str
) -> None:
    card, words = spoken
    kept = told(f"{before} q {words} q {after}")
    assert not any(card[:13] in run.digits or card[-13:] in run.digits for run in runs(kept))
    assert "[card withheld]" in kept


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_read_and_what_is_withheld_stays_withheld(text: str) -> None:
    once = told(text)
    assert told(once) == once


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=40)), max_size=8))
def test_any_conversation_can_be_read(lines: list[tuple[str, str]]) -> None:
    found = secrets_of_lines(lines, this_year=2026)
    for (_, text), each in zip(lines, found, strict=True):
        assert all(0 <= secret.start < secret.end <= len(text) for secret in each)


@pytest.mark.parametrize(
    "text",
    [
        "4" * 20_000,
        "4 " * 10_000,
        "one two " * 2_500,
        "1" + " " * 20_000 + "May",
        "password " * 2_000,
        "password is " * 1_500,
        'password "' + "x" * 20_000,
        "born 1. " * 2_500,
        "12-" * 6_000,
        "pin 123 " * 2_500,
        "the first of " * 1_500,
    ],
    ids=lambda text: text[:14],
)
def test_a_text_that_is_made_to_take_long_takes_no_time(text: str) -> None:
    began = time.process_time()
    told(text)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "text", ["BİRTH DATE: 12 05 87", "My bırthday: five three eighty seven", "born on 3 MAİ 1987"]
)
def test_a_turkish_i_is_an_i(text: str) -> None:
    assert [secret.kind for secret in secrets(text, this_year=2026)] == ["date"]
