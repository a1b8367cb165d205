"""The table of a policy in the docs is what explain() prints of the policy beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "policies.md"
BEGIN, END = "<!-- begin explain -->\n\n", "\n<!-- end explain -->"


def test_the_table_in_the_docs_is_that_of_the_policy() -> None:
    document = Sybil(parsers=[CodeBlockParser(language="python", evaluator=lambda _: None)]).parse(
        PAGE
    )
    names: dict[str, Any] = {}
    exec(str(next(iter(document.examples())).parsed), names)
    table = names["policy"].explain() + "\n"
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    there, _, after = rest.partition(END)
    if os.environ.get("LIVETRANSFER_WRITE_TABLES"):
        PAGE.write_text(before + BEGIN + table + END + after, encoding="utf-8")
        return
    assert there == table, "write it with LIVETRANSFER_WRITE_TABLES=1"
