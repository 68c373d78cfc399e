"""How a turn ended → each surface's word for it. Google's own words never leak. Facts: wire-gemini-and-mapping 5.

| terminal            | Chat finish_reason | Responses status, reason        |
|---------------------|--------------------|---------------------------------|
| Finished(stop)      | stop               | completed                       |
| Finished(tool)      | tool_calls         | completed                       |
| Finished(length)    | length             | incomplete, max_output_tokens   |
| Finished(filtered)  | content_filter     | incomplete, content_filter      |
| Failed              | (error object)     | failed; cancelled when the client cancelled it |
"""

from __future__ import annotations

from zerogravity.core.events import Failed, Finished, Terminal
from zerogravity.errors import Termination

_CHAT = {"stop": "stop", "tool": "tool_calls", "length": "length", "filtered": "content_filter"}
_INCOMPLETE = {"length": "max_output_tokens", "filtered": "content_filter"}


def chat_finish(terminal: Finished) -> str:
    """``finish_reason`` of a turn that ended well."""
    return _CHAT[terminal.reason]


def responses_status(terminal: Terminal) -> tuple[str, str | None]:
    """(status, incomplete_details.reason)."""
    match terminal:
        case Failed(fault):
            return ("cancelled" if fault.termination is Termination.CANCELLED else "failed"), None
        case Finished(reason):
            incomplete = _INCOMPLETE.get(reason)
            return ("completed" if incomplete is None else "incomplete"), incomplete
