"""How Google's Antigravity runtime goes about a turn (facts antigravity-runtime), as the stand-in's option ``runtime``.

| Google                                              | what the runtime does                                      |
|-----------------------------------------------------|------------------------------------------------------------|
| answers nothing, or thinks only                     | says ``Error: …`` to the model, calls again, for ever      |
| MALFORMED_FUNCTION_CALL, MAX_TOKENS, SAFETY, a block | keeps the text, ``Error: …``, 5 calls; NONE in the last    |
| calls an unknown tool                               | an error as its result, 5 calls; NONE in the last          |
| breaks off                                          | keeps the text, ``Error: unexpected EOF``, calls again     |
| says an error inside of a 200                       | nothing: the turn ends with the text so far                |

One call a turn besides; no title, nothing in the background. Results of tools have the model's role.
"""

from __future__ import annotations

import json
from uuid import uuid4

from zerogravity.testing.simulator import Json
from zerogravity.testing.simulator.language_server.answer import Answer, Call
from zerogravity.testing.simulator.language_server.google_client import GoogleGone
from zerogravity.testing.simulator.language_server.google_requests import TOOLS, runtime_body
from zerogravity.testing.simulator.language_server.state import Step, timestamp
from zerogravity.testing.simulator.language_server.turn import Stopped, Turn

CALLS = 5
EMPTY = "model output must contain either output text or tool calls, these cannot both be empty, please try again"
EOF = "Error: unexpected EOF: unexpected EOF"
BLOCKED = (
    "\nPlease provide a response that complies with content policies, or briefly explain to the user why you cannot "
    "help with this request."
)
PROBLEMS = {
    "MALFORMED_FUNCTION_CALL": (
        "encountered an improper format stop reason.\nPlease retry with a properly formatted function call."
    ),
    "MAX_TOKENS": (
        "max tokens limit reached (generation or context length exceeded).\nYour response exceeded the maximum output "
        "token limit and was truncated. Do not repeat your full previous reasoning or emit a single large file "
        "rewrite. Keep your thinking concise "
        "and break large file edits or commands into smaller, incremental tool calls."
    ),
    "SAFETY": f"response blocked by content safety filters.{BLOCKED}",
    "RECITATION": f"response blocked by content safety filters.{BLOCKED}",
    "PROHIBITED_CONTENT": f"response blocked by content safety filters.{BLOCKED}",
}
SUMMARISE = (
    "You have been working on the task described above but have not yet completed\nit. Write a continuation summary "
    "that will allow you (or another instance of\nyourself) to resume work efficiently in a future context window.\n\n"
    "Wrap your response in <summary></summary> tags.\n"
)
RESUMING = (
    "# Resuming from a compaction\n\nYou are continuing work on the task described above, but you have lost access to "
    "the full conversation history, and need to resume work efficiently using the progress summary below:\n\n"
)


class RuntimeTurn(Turn):
    """``left``: how many more calls a fault of the model's has; None while there was none."""

    keeps_broken = True
    left: int | None = None

    async def _generate(self) -> str:
        if self.options.compaction:
            await self._compact()
        while self.generations < self.options.invocations:
            try:
                answer = await self._answer()
            except GoogleGone:
                self._say_after(self.newest, EOF)
                continue
            if problem := _problem(answer):
                self._say_after(answer, self._problem(problem))
            elif answer.calls:
                await self._use_all(answer)
            elif answer.text:
                return "NO_TOOL_CALL"
            else:
                self._say(f"Error: model output error: {EMPTY}")
        return "MAX_INVOCATIONS"

    def _body(self) -> Json:
        return runtime_body(self.cascade, mode="NONE" if self.left == 1 else "AUTO")

    def _problem(self, problem: str) -> str:
        left = self._spend()
        return f"Error: There was a problem. \nError Message: model output error: {problem} \nRetries remaining: {left}"

    def _spend(self) -> int:
        """One of the calls that a fault has. Raises Stopped when there is none left."""
        if self.left == 1:
            raise Stopped("ERROR")
        self.left = CALLS - 1 if self.left is None else self.left - 1
        return self.left

    def _say(self, text: str) -> None:
        self.cascade.contents.append({"role": "user", "parts": [{"text": text}]})

    def _say_after(self, answer: Answer, text: str) -> None:
        if kept := [part for part in answer.content if not part.get("thought") and part.get("text")]:
            self.cascade.contents.append({"role": "model", "parts": kept})
        self._say(text)

    async def _use_all(self, answer: Answer) -> None:
        """Run the tools. Their ids are the runtime's own."""
        own = [str(uuid4()) for _ in answer.calls]
        ids = iter(own)
        parts = [
            {**part, "functionCall": {**part["functionCall"], "id": next(ids)}} if "functionCall" in part else part
            for part in answer.content
        ]
        self.cascade.contents.append({"role": "model", "parts": parts})
        used = [await self._used(call, call_id) for call, call_id in zip(answer.calls, own, strict=True)]
        self.cascade.contents.append({"role": "model", "parts": used})

    async def _used(self, call: Call, call_id: str) -> Json:
        created = f"Created At: {timestamp()}"
        if call.name in TOOLS:
            result = await self._use(call)
            result_json = json.dumps(result["functionResponse"]["response"])
            output = (
                f"{created}\nCompleted At: {timestamp()}\nTool response for {call.name}:\n```json\n{result_json}\n```"
            )
        else:
            self.cascade.add(Step("ERROR_MESSAGE", payload={"error": {"shortError": f"unknown tool: {call.name}"}}))
            output = (
                f"{created}\nError invalid tool call: There was a problem parsing the tool call. \nError Message: "
                f"model output error: invalid tool call error (unknown_tool) unknown tool name: `{call.name}` \n"
                f"Retries remaining: {self._spend()}."
            )
        return {"functionResponse": {"id": call_id, "name": call.name, "response": {"output": output}}}

    async def _compact(self) -> None:
        """The context is full: a summary, before the newest message is answered; then the rest goes on from it."""
        body = runtime_body(self.cascade, mode="NONE", most=16384)
        body["contents"] = [*self.cascade.contents, {"role": "user", "parts": [{"text": SUMMARISE}]}]
        summary = await self._side_call("checkpoint", body, self.message.enum)
        self.cascade.contents[:] = [self.cascade.contents[-1]]
        self._say(RESUMING + summary)


def _problem(answer: Answer) -> str:
    if answer.blocked:
        return f"response blocked by content safety filters: {answer.blocked}.{BLOCKED}"
    return PROBLEMS.get(answer.finish, "")
