"""Any legal request becomes one that Google takes: the simulator's own rules are a second judge."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.surfaces.responses.asking import function, parse
from tests.surfaces.responses.test_items import dialogues
from zerogravity.testing.simulator.google.families import family_of
from zerogravity.testing.simulator.google.rules.config import generation_errors, tools_errors
from zerogravity.testing.simulator.google.rules.contents import CORRUPTED, contents_errors
from zerogravity.testing.simulator.google.rules.shapes import PUBLIC, violations
from zerogravity.testing.simulator.google.signatures import Signer

F, SEARCH = (
    function("f", parameters={"type": "object", "properties": {"a": {"type": ["string", "null"]}}}),
    {"type": "web_search"},
)
SPACE = {"type": "namespace", "name": "n", "description": "d", "tools": [F, {"type": "custom", "name": "x y"}]}
TOOLS = [F, SPACE, {"type": "custom", "name": "x"}, SEARCH, {"type": "local_shell"},
         {"type": "tool_search", "execution": "client"}]  # fmt: skip
CHOICES: list[Any] = [
    None, "auto", "none", "required", {"type": "function", "name": "f"}, {"type": "web_search"},
    {"type": "allowed_tools", "mode": "auto", "tools": [F, SEARCH]},
    {"type": "allowed_tools", "mode": "required", "tools": [SPACE]},
]  # fmt: skip
REASONING = [None, {"effort": "none"}, {"effort": "minimal"}, {"effort": "max", "summary": "auto"}, {"summary": "auto"}]


@given(
    dialogues,
    st.sampled_from(("gemini-3-flash", "gemini-2.5-pro", "gemini-3.1-pro")),
    st.sampled_from(CHOICES),
    st.sampled_from(REASONING),
)
def test_google_takes_what_we_make(items: list[Any], model: str, choice: Any, reasoning: Any) -> None:
    turn = parse(
        model=model, input=items, tools=TOOLS, tool_choice=choice, reasoning=reasoning, temperature=0, top_p=1,
        presence_penalty=1, max_output_tokens=9999,
    )  # fmt: skip
    family, request = family_of(model), turn.google_request
    assert family is not None
    errors = [text for where, text in violations(request, PUBLIC) if not where.endswith("thought_signature")]
    errors += [text for text in contents_errors(request, family, Signer()) if text != CORRUPTED]
    errors += tools_errors(request, family, internal=False)
    errors += generation_errors(request, family, model)
    assert errors == []
