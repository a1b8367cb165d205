"""What the words of machines and people tell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetransfer import AnswerClass, ConfigurationError
from livetransfer.answering import ToneAndPhraseDetector
from livetransfer.answering.phrase_matching import PhraseBook, plain

from .answering_kit import classes

DETECTOR = ToneAndPhraseDetector()
A = AnswerClass

SAID = [
    (A.VOICEMAIL, "The mailbox of extension 12 is not answering, record your message now"),
    (A.VOICEMAIL, "Please leave your name and number and we'll get back to you"),
    (A.VOICEMAIL, "Hinterlassen Sie bitte eine Nachricht, ich rufe zurück"),
    (A.VOICEMAIL, "Hier ist der Anrufbeantworter der Familie Braun"),
    (A.VOICEMAIL, "Deje un mensaje después de la señal, gracias"),
    (A.VOICEMAIL, "Vous pouvez laisser un message après le bip sonore"),
    (A.IVR, "For billing, press one, for anything else press zero"),
    (A.IVR, "Für den Kundendienst drücken Sie die Drei"),
    (A.IVR, "Para facturación marque dos"),
    (A.IVR, "Pour un rendez-vous, tapez 2"),
    (A.SCREENING, "Please say your name and the reason for your call"),
    (A.SCREENING, "Nennen Sie Ihren Namen und den Grund Ihres Anrufs"),
    (A.SCREENING, "Diga su nombre y el motivo de su llamada"),
    (A.SCREENING, "Dites votre nom et le motif de votre appel"),
    (A.ANNOUNCEMENT, "The number you have dialed is not in service"),
    (A.ANNOUNCEMENT, "Die gewählte Rufnummer ist nicht vergeben"),
    (A.ANNOUNCEMENT, "El número marcado no existe"),
    (A.ANNOUNCEMENT, "Le numéro demandé n'est pas attribué"),
]
PEOPLE = [
    "Hello?",
    "Yes, Miller.",
    "Good morning, Harbor Dental, how can I help you?",
    "Who is this?",
    "Hi, I just listened to your voice message.",
    "Sorry, I was on another call, go ahead.",
    "One moment, please.",
    "Ja, Weber am Apparat.",
    "Guten Tag, worum geht es?",
    "Ich habe Ihre Nachricht gelesen.",
    "¿Sí, dígame?",
    "Hola, ¿de parte de quién?",
    "Allô, oui ?",
    "Bonjour, c'est à quel sujet ?",
    "You can call me on my number any time.",
    "We are closed today, but what is it about?",
]


@pytest.mark.parametrize(("answer", "text"), SAID)
def test_machines_are_known_by_what_they_say(answer: AnswerClass, text: str) -> None:
    session = DETECTOR.begin()
    session.push_transcript(text)
    assert session.verdict.answered_by is answer
    assert session.verdict.evidence.kind == "words"


@pytest.mark.parametrize("text", PEOPLE)
def test_people_are_not_taken_for_machines(text: str) -> None:
    session = DETECTOR.begin()
    session.push_transcript(text)
    assert session.verdict.answered_by is A.PERSON


@pytest.mark.parametrize(
    "text",
    [
        "Hola, de presione de quién",
        "Guten Tag, Weber Sprachbox",
        "Oui, messagerie, je vous écoute",
        "Northwind Plumbing, disconnected Becker speaking, how can I help you",
    ],
)
def test_one_word_that_may_have_been_misheard_is_no_machine(text: str) -> None:
    session = DETECTOR.begin()
    session.push_transcript(text)
    assert not any(verdict.is_machine for verdict in session.changes)


def test_a_single_word_of_a_machine_decides_once_more_was_said() -> None:
    session = DETECTOR.begin()
    session.push_transcript("Esto es de verdad el buzón de alguien", final=False)
    assert session.verdict.answered_by is A.VOICEMAIL


@pytest.mark.parametrize(("answer", "text"), SAID)
def test_spelling_does_not_matter(answer: AnswerClass, text: str) -> None:
    session = DETECTOR.begin()
    session.push_transcript(plain(text).upper())
    assert session.verdict.answered_by is answer


def test_after_a_screener_a_person() -> None:
    session = DETECTOR.begin()
    session.push_transcript("Please say your name and why you are calling.")
    assert session.verdict.answered_by is A.SCREENING


def test_a_mailbox_may_follow_a_greeting() -> None:
    session = DETECTOR.begin()
    session.push_transcript("Hi, this is Bob.")
    session.push_transcript("I can't come to the phone, leave me a message after the beep.")
    assert classes(session) == ["person", "voicemail"]


def test_a_person_who_speaks_of_messages_stays_one() -> None:
    session = DETECTOR.begin()
    session.push_transcript("Hello, Ann Miller speaking, how can I help?")
    session.pass_time(4.0)
    session.push_transcript("I am in a meeting, he can leave a message.")
    assert session.verdict.answered_by is A.PERSON


def test_one_word_that_was_misheard_decides_nothing() -> None:
    session = DETECTOR.begin()
    session.push_transcript("Hello mailbox")
    assert not session.verdict.is_machine


def test_a_hint_is_suspected_and_no_verdict() -> None:
    session = DETECTOR.begin()
    session.push_transcript("You have reached Ann Miller and family here")
    assert session.suspected is A.VOICEMAIL
    assert not session.verdict.is_machine


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), which=st.integers(0, len(SAID) - 1))
def test_a_lost_word_makes_no_other_machine_of_it(seed: int, which: int) -> None:
    answer, text = SAID[which]
    words = text.split()
    words.pop(random.Random(seed).randrange(len(words)))
    session = DETECTOR.begin()
    session.push_transcript(" ".join(words))
    # Mailboxes and announcements share words; neither is a person who can be briefed.
    assert session.verdict.answered_by in (answer, A.UNKNOWN, A.PERSON) or (
        session.verdict.is_machine
    )


def test_more_phrases_decide_alone() -> None:
    own = ToneAndPhraseDetector(
        phrases={A.VOICEMAIL: ["lascia* un messaggio"], "ivr": ["digiti il|la"]}
    )
    session = own.begin()
    session.push_transcript("Per favore lasciate un messaggio")
    assert session.verdict.answered_by is A.VOICEMAIL
    other = own.begin()
    other.push_transcript("Per parlare con noi, digiti il due")
    assert other.verdict.answered_by is A.IVR


def test_only_the_languages_that_were_asked_for() -> None:
    german = ToneAndPhraseDetector(languages=["de"]).begin()
    german.push_transcript("Please leave a message after the tone")
    assert not german.verdict.is_machine


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"languages": ["en", "xx"]}, "languages"),
        ({"languages": "en"}, "languages"),
        ({"phrases": {A.PERSON: ["hello"]}}, "phrases"),
        ({"phrases": {"mailbox": ["hello"]}}, "phrases"),
        ({"phrases": {A.IVR: "press one"}}, "phrases"),
        ({"phrases": {A.IVR: ["..."]}}, "phrases"),
    ],
    ids=["unknown_language", "one_language", "person", "unknown_class", "one_phrase", "no_word"],
)
def test_bad_options_are_refused_when_they_are_given(
    arguments: dict[str, object], field: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        ToneAndPhraseDetector(**arguments)  # type: ignore[arg-type]
    assert raised.value.field == field


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    book = PhraseBook(["en", "de", "es", "fr"])
    found = book.look(text)
    assert found.count == len(plain(text).split())


def test_the_words_of_a_very_long_talk_cost_no_more() -> None:
    session = DETECTOR.begin()
    for _ in range(300):
        session.push_transcript("and then she said that it would be fine")
    assert session._words._look().count <= 70
