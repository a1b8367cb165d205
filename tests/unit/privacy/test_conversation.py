"""A briefing that is made from a conversation full of secrets knows none of them."""

from livekit.agents.llm import ChatContext, FunctionCall, FunctionCallOutput

from livetransfer.briefing.summary import plain_summary, transcript
from livetransfer.privacy import Privacy, filtered

SECRETS = ("4111", "1111", "1987", "swordfish", "4929", "737", "letmein")


def conversation() -> ChatContext:
    ctx = ChatContext.empty()
    for role, text in (
        ("assistant", "Hello, how can I help?"),
        ("user", "My order 10045 was charged twice. My card is 4111 1111"),
        ("assistant", "Go on."),
        ("user", "1111 1111, and call me back under +49 30 1234567"),
        ("assistant", "May I have your date of birth?"),
        ("user", "The third of May nineteen eighty-seven, so 03 05 1987"),
        ("assistant", "And the password of your account?"),
        ("user", "swordfish"),
        ("user", "The security code is 737. I want to talk to a person."),
    ):
        ctx.add_message(role=role, content=text)  # type: ignore[arg-type]
    ctx.items.append(
        FunctionCall(call_id="1", name="pay", arguments='{"card": "4929 0000 0000 6", "n": 1}')
    )
    ctx.items.append(
        FunctionCallOutput(call_id="1", output="the password is letmein", is_error=False)
    )
    return ctx


def test_nothing_of_it_is_left() -> None:
    before = conversation()
    after = filtered(before, Privacy())
    # An item's random id and its time may hold any digits.
    items = [str(item.model_dump(exclude={"id", "created_at"})) for item in after.items]
    told = "\n".join([*transcript(after), plain_summary(after), *items])
    for secret in SECRETS:
        assert secret not in told, secret
    assert "eighty-seven" not in told
    for kept in ("My order 10045 was charged twice", "+49 30 1234567", "talk to a person"):
        assert kept in told
    # The conversation with the caller goes on as it was.
    assert "4111 1111" in str(before.to_dict())
    assert "swordfish" in str(before.to_dict())
    assert len(after.items) == len(before.items)


def test_a_conversation_without_secrets_stays_as_it_is() -> None:
    ctx = ChatContext.empty()
    ctx.add_message(role="user", content="I want a refund for order 10045.")
    assert filtered(ctx, Privacy()).to_dict() == ctx.to_dict()
