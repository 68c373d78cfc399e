"""One user turn of the language-server stand-in: steps, calls of Google, tools, retries, title, end (A.14 points 3-6).

Everything a cascade does between SendUserCascadeMessage and IDLE is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from uuid import uuid4

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.language_server.answer import Answer, Call
from zerogravity.testing.simulator.language_server.google_client import (
    GoogleCall,
    GoogleClient,
    GoogleGone,
    GoogleRefused,
)
from zerogravity.testing.simulator.language_server.google_requests import (
    TOOLS,
    agent_body,
    checkpoint_body,
    user_contents,
)
from zerogravity.testing.simulator.language_server.options import LsOptions
from zerogravity.testing.simulator.language_server.state import (
    Cascade,
    PlannerStep,
    Step,
    duration,
    model_usage,
    timestamp,
)
from zerogravity.wire.narrow import objects

RETRYABLE = (429, 500, 502, 503, 504)
BEFORE = ("loadCodeAssist", "fetchAvailableModels", "listExperiments")
FEEDBACK = "Your last function call could not be read. Write it again, as valid JSON."
ONWARD = "Go on."


class Stopped(Exception):
    """The turn ends here; the termination reason is the argument."""


@dataclass(slots=True)
class UserMessage:
    """What the user sent. ``commands``: whether the LS may run commands by itself."""

    text: str
    enum: str
    images: list[Json] = field(default_factory=list[Json])
    commands: bool = False


class Turn:
    """Runs one message of a cascade to its end; ``on_call`` learns of every call.

    ``newest``: the answer of the last call, as far as it came. ``keeps_broken``: a broken answer is
    kept, and not asked for again.
    """

    keeps_broken = False
    newest: Answer

    def __init__(
        self, cascade: Cascade, message: UserMessage, google: GoogleClient, options: LsOptions,
        on_call: Callable[[GoogleCall], None],
    ) -> None:  # fmt: skip
        self.cascade, self.message, self.google, self.options = cascade, message, google, options
        self.on_call = on_call
        self.generations = 0
        self.forced = 0
        self.last_text = ""
        self.side_tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Add the steps that precede any call."""
        cascade, message, options = self.cascade, self.message, self.options
        cascade.invocations += 1
        cascade.sent_ns, cascade.first_text_ns = time.monotonic_ns(), None
        items = [{"text": message.text}]
        metadata = {"source": "CORTEX_STEP_SOURCE_USER_EXPLICIT", "executionId": self.execution}
        cascade.add(Step("USER_INPUT", payload={"items": items, "userResponse": message.text}, metadata=metadata))
        if options.history:
            cascade.add(Step("CONVERSATION_HISTORY"))
        if options.ephemeral:
            cascade.add(Step("EPHEMERAL_MESSAGE"))
        cascade.contents += user_contents(cascade, message.text, message.images, options)
        cascade.set_status("RUNNING")

    @property
    def execution(self) -> str:
        return f"e-{self.cascade.invocations}"

    async def run(self) -> None:
        """Run to IDLE. A cancelled task is the user's cancel."""
        reason = "ERROR"
        try:
            reason = await self._loop()
        except Stopped as stop:
            reason = str(stop)
        except asyncio.CancelledError:
            reason = "USER_CANCELED"
            self._cancel_steps()
            raise
        finally:
            for task in self.side_tasks:
                task.cancel()
            self._end(reason)

    async def _loop(self) -> str:
        options = self.options
        if not options.calls_google:
            await asyncio.Event().wait()
        if options.subscriber:
            await self.cascade.subscribed.wait()
        await asyncio.sleep(options.delay_s)
        await self._before()
        reason = await self._generate()
        if options.checkpoint == "after":
            await self.title()
        if options.background and options.envelope:
            self.side_tasks.append(asyncio.create_task(self._background("recordCodeAssistMetrics", {"metrics": []})))
        await asyncio.gather(*self.side_tasks, return_exceptions=True)
        return reason

    async def _before(self) -> None:
        if self.options.background and self.options.envelope and self.cascade.invocations == 1:
            await asyncio.gather(*(self._background(method, {}) for method in BEFORE))
        if self.options.checkpoint == "before":
            await self.title()
        elif self.options.checkpoint == "during":
            self.side_tasks.append(asyncio.create_task(self.title()))

    async def _generate(self) -> str:
        """Call after call until there is nothing left to do; the termination reason."""
        options = self.options
        while True:
            if self.generations >= options.invocations:
                return "MAX_INVOCATIONS"
            answer = await self._answer()
            if answer.content:
                self.cascade.contents.append({"role": "model", "parts": answer.content})
            if answer.calls:
                responses = [await self._use(call) for call in answer.calls]
                self.cascade.contents.append({"role": "user", "parts": responses})
            elif not answer.text:
                if self.forced >= options.forced:
                    return "MAX_FORCED_INVOCATIONS"
                self.forced += 1
                self._say(ONWARD)
            else:
                if options.summary_call and answer.thoughts:
                    await self.extra_call()
                return "NO_TOOL_CALL"

    async def _answer(self) -> Answer:
        """One answer, with retries. Raises Stopped, and GoogleGone where what came is kept."""
        failures = malformed = 0
        while True:
            self.generations += 1
            answer, step = Answer(), PlannerStep("PLANNER_RESPONSE", status="GENERATING")
            self.newest = answer
            try:
                await self._call(answer, step, failures + malformed)
            except GoogleRefused as error:
                self._fail(step, error.status, str(error), error.error)
                if error.status not in RETRYABLE:
                    raise Stopped("ERROR") from None
            except GoogleGone as error:
                self._fail(step, 0, f"stream error: {error}", {})
                if self.keeps_broken and (answer.text or answer.calls):
                    raise
            else:
                if self.keeps_broken or answer.finish != "MALFORMED_FUNCTION_CALL":
                    return answer
                if malformed >= self.options.output_retries:
                    raise Stopped("ERROR")
                malformed += 1
                self._say(FEEDBACK)
                continue
            if failures >= self.options.retries:
                raise Stopped("ERROR")
            failures += 1
            await asyncio.sleep(self.options.retry_s * 2 ** (failures - 1))

    def _body(self) -> Json:
        return agent_body(self.cascade, self.message.enum, self.options)

    async def _call(self, answer: Answer, step: PlannerStep, attempt: int) -> None:
        """One agent call; its step grows with the stream."""
        body = self._body()
        call = self._new_call("agent")
        held: list[Object] = []
        with _outcome(call):
            async for chunk in self.google.generate(body, self.message.enum, call):
                if self.options.idle_early_s:
                    held.append(chunk)
                else:
                    self._take(answer, step, chunk)
        if held:
            self.cascade.set_status("IDLE")
            await asyncio.sleep(self.options.idle_early_s)
            for chunk in held:
                self._take(answer, step, chunk)
            if answer.calls or not answer.text:
                self.cascade.set_status("RUNNING")
        self._done(answer, step, call, attempt)

    def _take(self, answer: Answer, step: PlannerStep, chunk: Object) -> None:
        answer.take(chunk, step, keep_thinking=self.options.keeps_thinking)
        if step.thoughts and not step.texts:
            step.thought_s = time.time() - step.created
        if step not in self.cascade.steps:
            self.cascade.add(step)
        self.cascade.touch(step)

    def _done(self, answer: Answer, step: PlannerStep, call: GoogleCall, attempt: int) -> None:
        if step not in self.cascade.steps:  # an empty body: an empty step all the same
            self.cascade.add(step)
        step.status, step.stop_reason = "DONE", answer.stop_reason
        enum = self.message.enum
        usage = model_usage(enum, answer.usage, answer.response_id)
        step.metadata |= {
            "completedAt": timestamp(), "generatorModel": enum, "requestedModel": {"model": enum},
            "executionId": self.execution,
        }  # fmt: skip
        if self.options.usage == "both" and answer.usage:
            step.usage = usage
        first = (call.first_ns or call.started_ns) - call.started_ns
        total = (call.ended_ns or time.monotonic_ns()) - call.started_ns
        if self.options.usage != "none":
            self.cascade.generators.append({
                "stepIndices": [self.cascade.steps.index(step)], "executionId": self.execution,
                "chatModel": {
                    "model": enum, "usage": usage, "timeToFirstToken": duration(first / 1e9),
                    "streamingDuration": duration((total - first) / 1e9), "retries": attempt,
                    "responseModel": answer.model,
                },
            })  # fmt: skip
        self.cascade.touch(step)
        self.last_text = step.text

    def _fail(self, step: PlannerStep, status: int, text: str, error: Object) -> None:
        """Add the steps of a failed call, retried or not: only the last one of an idle cascade is final (A.8)."""
        details = [json.dumps(detail) for detail in objects(error.get("details"))]
        shown = {
            "userErrorMessage": "Agent execution terminated due to error.",
            "shortError": text, "fullError": text, "errorCode": status, "errorId": f"err-{uuid4()}",
            "details": json.dumps({"error": error}) if error else "", "rpcErrorDetails": details,
        }  # fmt: skip
        if step in self.cascade.steps:
            step.status, step.stop_reason, step.error = "ERROR", "CLIENT_STREAM_ERROR", shown
            self.cascade.touch(step)
        self.cascade.add(Step("ERROR_MESSAGE", payload={"shouldShowUser": True, "error": shown}))

    def _say(self, text: str) -> None:
        """Add an entry that makes the model go on."""
        text = f"<EPHEMERAL_MESSAGE>\n{text}\n</EPHEMERAL_MESSAGE>"
        self.cascade.contents.append({"role": "user", "parts": [{"text": text}]})

    async def _use(self, call: Call) -> Json:
        """Run one tool (nothing real happens); the part that answers the call."""
        known = TOOLS.get(call.name)
        step = Step(known[1] if known else "ERROR_MESSAGE", metadata={"executionId": self.execution})
        self.cascade.add(step)
        if known is None:
            step.payload = {"error": {"shortError": f"unknown tool: {call.name}"}}
            result: Json = {"error": f"unknown tool: {call.name}"}
        else:
            step.metadata["toolCall"] = call.step_form
            result = {"output": f"({call.name} of the stand-in does nothing)"}
            if known[1] == "RUN_COMMAND" and not self.message.commands:
                step.status = "WAITING"  # for the user's permission, which never comes
                self.cascade.touch(step)
                await asyncio.Event().wait()
        self.cascade.touch(step)
        response: Json = {"name": call.name, "response": result}
        return {"functionResponse": {"id": call.id, **response} if call.id else response}

    # -- other calls -----------------------------------------------------------------------------------------------

    async def title(self) -> None:
        """The checkpoint call: repeats the user's text, asks for a title."""
        body = checkpoint_body(self.cascade, self.last_text, self.options)
        with contextlib.suppress(GoogleRefused, GoogleGone):
            title = await self._side_call("checkpoint", body, self.options.checkpoint_model)
            payload = {"intentOnly": True, "conversationTitle": title, "userIntent": "(what the user wants)"}
            self.cascade.add(Step("CHECKPOINT", payload=payload))

    async def _side_call(self, kind: str, body: Json, model: str) -> str:
        """The text of an answer that is no step. Raises GoogleRefused, GoogleGone."""
        call = self._new_call(kind)
        answer, step = Answer(), PlannerStep("CHECKPOINT")
        with _outcome(call):
            async for chunk in self.google.generate(body, model, call):
                answer.take(chunk, step, keep_thinking=False)
        return step.text

    async def extra_call(self) -> None:
        """One more agent call whose answer goes nowhere: the summary call, or one that comes late."""
        body = self._body()
        call = self._new_call("agent")
        with contextlib.suppress(GoogleRefused, GoogleGone), _outcome(call):
            async for _ in self.google.generate(body, self.message.enum, call):
                pass

    async def _background(self, method: str, body: Json) -> None:
        with contextlib.suppress(GoogleGone):
            await self.google.background(method, {"metadata": {"ideType": "ANTIGRAVITY"}, **body})

    def _new_call(self, kind: str) -> GoogleCall:
        call = GoogleCall(self.cascade.id, kind, self.cascade.seq, time.monotonic_ns())
        self.cascade.seq += 1
        self.on_call(call)
        return call

    # -- the end ---------------------------------------------------------------------------------------------------

    def _cancel_steps(self) -> None:
        for step in self.cascade.steps:
            if step.status in ("GENERATING", "WAITING"):
                step.status = "CANCELED"
                if isinstance(step, PlannerStep):
                    step.stop_reason = "CLIENT_CANCELED"
                self.cascade.touch(step)

    def _end(self, reason: str) -> None:
        self.cascade.executors.append({
            "terminationReason": f"EXECUTOR_TERMINATION_REASON_{reason}", "numGeneratorInvocations": self.generations,
            "lastStepIdx": len(self.cascade.steps) - 1, "executionId": self.execution,
        })  # fmt: skip
        self.cascade.set_status("IDLE")


@contextlib.contextmanager
def _outcome(call: GoogleCall) -> Generator[None]:
    """Record how a call ended."""
    try:
        yield
    except GoogleRefused as error:
        call.outcome = f"refused {error.status}"
        raise
    except GoogleGone:
        call.outcome = "gone"
        raise
    except asyncio.CancelledError:
        call.outcome = "cancelled"
        raise
    call.outcome = "end"
