"""Who sounds how in the calls that are transferred: one tone for each voice and sentence.

The tones are 200 Hz apart. The key 1 sounds at 697 and 1209 Hz and the key 2 at 697 and 1336 Hz,
so what must not leak is elsewhere.
"""

from __future__ import annotations

from .models import Rule, ToolCall

# What the AI says to the caller, and the music.
MUSIC = 500
GREETING = 700
SORRY = 900
ANSWER = 1100
BACK = 1300
ANNOUNCED = 1900
# What it says to the human.
BRIEFING = 1500
FAREWELL = 1700
# What the caller says.
ASK = 2100
ACCOUNT = 2300
CALLER = 2500
NUMBER = 3300
# What the human says.
YES = 2700
NO = 2900
HUMAN = 3100
HELLO = 300
# What a network says, under its voice.
NO_SERVICE = 3500

OF_AI = (GREETING, SORRY, ANSWER, BACK, ANNOUNCED, BRIEFING, FAREWELL)
OF_CALLER = (ASK, ACCOUNT, CALLER, NUMBER)
OF_HUMAN = (YES, NO, HUMAN)

WELCOME = "Good morning, what can I do for you?"
ANNOUNCEMENT = "One moment, I am getting a colleague."

HEARD = {
    ASK: "I want to talk to a person",
    ACCOUNT: "what is my account number",
    NUMBER: "call me at the number that I call from",
    YES: "yes, put them through",
    NO: "no, I cannot take it",
    HELLO: "hello, who is there",
    NO_SERVICE: "the number you have dialled is not in service",
}

VOICES = [
    ("nobody is free", SORRY),
    ("welcome back", BACK),
    ("4711", ANSWER),
    ("am getting a colleague", ANNOUNCED),
    ("goodbye", FAREWELL),
    ("caller on the line for you|may i connect", BRIEFING),
    ("", GREETING),
]

ASKS = "talk to a person"

RULES = [
    Rule("The caller asks about an invoice.", instructions="Write what a colleague has to know"),
    Rule(ToolCall("connect_to_caller"), user="put them through", tool="connect_to_caller"),
    Rule(
        ToolCall("decline_transfer", {"reason": "in a meeting"}),
        user="cannot take",
        tool="decline_transfer",
    ),
    Rule("I have a caller on the line for you.", user="who is there", tool="connect_to_caller"),
    Rule("It is 4711.", user="account number", tool="transfer"),
    Rule(ToolCall("voicemail_detected"), user="not in service", tool="voicemail_detected"),
    Rule("Welcome back.", output="now talking with", instructions="who took the call has left"),
    Rule("I am calling somebody. Meanwhile, what is it about?", output="is being called"),
    Rule("I am sorry, nobody is free.", output="did not work|not known"),
    Rule(ToolCall("transfer"), user=ASKS, tool="transfer"),
]

SALES = ToolCall("transfer_call", {"department": "sales", "reason": "An invoice."})
BILLING = ToolCall("transfer_call", {"department": "billing", "reason": "An invoice."})


def with_tools(asked: ToolCall | list[ToolCall]) -> list[Rule]:
    """A model with TransferTools: what it calls for a person; of every result it says `BACK`."""
    return [
        *RULES[:4],
        Rule("It is 4711.", user="account number"),
        Rule("Welcome back.", output="."),
        Rule(asked, user=ASKS),
    ]


CALLS_BACK = [
    *RULES[:5],
    Rule("Plus one, and so on. Is that right?", output="Read the number back"),
    Rule(ToolCall("choose_callback_time", {"when": "soon", "reason": "x"}), output="is confirmed"),
    Rule("Welcome back.", output="It is promised"),
    *RULES[5:],
    Rule(
        ToolCall("confirm_callback_number", {"number": "+442079460000", "confirmed": False}),
        user="number that I call from",
        tool="confirm_callback_number",
    ),
    Rule(
        ToolCall("confirm_callback_number", {"number": "+442079460000", "confirmed": True}),
        user="put them through",
        tool="confirm_callback_number",
    ),
]

TAKES_MESSAGES = [
    *RULES[:5],
    Rule("Welcome back.", output="was passed on"),
    *RULES[5:],
    Rule(
        ToolCall("take_message", {"message": "Call back.", "name": "", "number": ""}),
        user="number that I call from",
        tool="take_message",
    ),
]

MODELS = {
    "": RULES,
    "takes messages": TAKES_MESSAGES,
    "calls back": CALLS_BACK,
    "has tools": with_tools(SALES),
    "has tools, twice": with_tools([SALES, SALES]),
    "has tools, and ends": with_tools([SALES, ToolCall("end_call")]),
    "has tools, asks for billing": with_tools(BILLING),
    "transfers and ends": [
        *RULES[:-1],
        Rule([ToolCall("transfer"), ToolCall("end_call")], user=ASKS),
    ],
    "ends and transfers": [
        *RULES[:-1],
        Rule([ToolCall("end_call"), ToolCall("transfer")], user=ASKS),
    ],
    # What the caller said last was that he wants a person.
    "transfers again": [
        Rule(ToolCall("transfer"), instructions="who took the call has left", tool="transfer"),
        *RULES,
    ],
}
"""What a model does that is not the usual one."""
