"""What the language-server stand-in remembers: cascades, their steps, and how those look as protobuf-JSON.

Zero values are left out, 64-bit integers are strings. Facts: language-server-and-google A.5, A.8, A.10.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from zerogravity.testing.simulator.language_server.narrow import count

STEP = "CORTEX_STEP_TYPE_"
STATUS = "CORTEX_STEP_STATUS_"
RUN = "CASCADE_RUN_STATUS_"
PAYLOADS = {
    "USER_INPUT": "userInput", "CONVERSATION_HISTORY": "conversationHistory", "EPHEMERAL_MESSAGE": "ephemeralMessage",
    "PLANNER_RESPONSE": "plannerResponse", "CHECKPOINT": "checkpoint", "ERROR_MESSAGE": "errorMessage",
    "RUN_COMMAND": "runCommand", "CODE_ACTION": "codeAction", "VIEW_FILE": "viewFile", "GREP_SEARCH": "grepSearch",
    "LIST_DIRECTORY": "listDirectory", "SEARCH_WEB": "searchWeb", "MCP_TOOL": "mcpTool", "NOTIFY_USER": "notifyUser",
    "TASK_BOUNDARY": "taskBoundary", "GENERATE_IMAGE": "generateImage",
}  # fmt: skip


def timestamp(at: float | None = None) -> str:
    """RFC 3339 with milliseconds."""
    moment = dt.datetime.fromtimestamp(time.time() if at is None else at, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def duration(seconds: float) -> str:
    """``1.200s``."""
    return f"{seconds:.3f}s"


def pruned(value: Any) -> Any:
    """A message without its zero values; empty messages that are set stay."""
    if isinstance(value, dict):
        return {name: made for name, item in value.items() if (made := pruned(item)) not in ("", 0, False, None, [])}
    return [pruned(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True, eq=False)
class Step:
    """One step; ``kind`` without its prefix."""

    kind: str
    status: str = "DONE"
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    created: float = field(default_factory=time.time)
    error: dict[str, Any] | None = None
    version: int = 0

    def render(self) -> dict[str, Any]:
        """The step as JSON."""
        step = {
            "type": STEP + self.kind,
            "status": STATUS + self.status,
            "metadata": {"createdAt": timestamp(self.created), **self.metadata},
            PAYLOADS.get(self.kind, "payload"): self.payload,
            "error": self.error,
        }
        return pruned(step)


@dataclass(slots=True, eq=False)
class PlannerStep(Step):
    """A model answer as it grows: pieces are joined only when somebody looks."""

    texts: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    signature: str = ""
    stop_reason: str = ""
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    thought_s: float = 0.0
    message_id: str = field(default_factory=lambda: f"bot-{uuid4()}")

    @property
    def text(self) -> str:
        if len(self.texts) > 1:
            self.texts = ["".join(self.texts)]
        return self.texts[0] if self.texts else ""

    @property
    def thinking(self) -> str:
        if len(self.thoughts) > 1:
            self.thoughts = ["".join(self.thoughts)]
        return self.thoughts[0] if self.thoughts else ""

    def render(self) -> dict[str, Any]:
        self.payload = {
            "response": self.text,
            "modifiedResponse": self.text,
            "thinking": self.thinking,
            "thinkingSignature": self.signature,
            "messageId": self.message_id,
            "toolCalls": self.calls,
            "thinkingDuration": duration(self.thought_s) if self.thought_s else "",
            "stopReason": f"STOP_REASON_{self.stop_reason}" if self.stop_reason else "",
        }
        if self.usage:
            self.metadata["modelUsage"] = self.usage
        return Step.render(self)


def model_usage(enum: str, figures: dict[str, Any], response_id: str) -> dict[str, Any]:
    """Google's usageMetadata as the LS keeps it: numbers as strings."""
    thinking, response = count(figures.get("thoughtsTokenCount")), count(figures.get("candidatesTokenCount"))
    counts = {
        "inputTokens": count(figures.get("promptTokenCount")), "outputTokens": thinking + response,
        "thinkingOutputTokens": thinking, "responseOutputTokens": response,
        "cacheReadTokens": count(figures.get("cachedContentTokenCount")),
    }  # fmt: skip
    provider = "ANTHROPIC_VERTEX" if "vrtx" in response_id else "GOOGLE_GEMINI"
    return {
        "model": enum,
        **{name: str(number) for name, number in counts.items() if number},
        "apiProvider": f"API_PROVIDER_{provider}",
        "responseId": response_id,
    }


class Cascade:
    """One conversation of the language server."""

    def __init__(self, cascade_id: str) -> None:
        self.id = cascade_id
        self.trajectory_id = str(uuid4())
        self.steps: list[Step] = []
        self.status = "IDLE"
        self.generators: list[dict[str, Any]] = []
        self.executors: list[dict[str, Any]] = []
        self.annotations: dict[str, Any] = {}
        self.contents: list[dict[str, Any]] = []
        self.seq = 0
        self.invocations = 0
        self.created = time.time()
        self.modified = self.created
        self.sent_ns: int | None = None
        self.first_text_ns: int | None = None
        self.version = 0
        self.deleted = False
        self.subscribed = asyncio.Event()
        self.quoted: tuple[str, ...] = ()
        self.snapshot: list[dict[str, Any]] = []
        self.task: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def add(self, step: Step) -> Step:
        """Append a step."""
        self.steps.append(step)
        self.touch(step)
        return step

    def touch(self, step: Step | None = None) -> None:
        """Something changed: wake those who stream the state."""
        self.version += 1
        if step is not None:
            step.version = self.version
        if isinstance(step, PlannerStep) and self.first_text_ns is None and (step.texts or step.thoughts):
            self.first_text_ns = time.monotonic_ns()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def set_status(self, status: str) -> None:
        self.status = status
        self.modified = time.time()
        self.touch()

    async def changed(self, seen: int) -> None:
        """Return as soon as there is something newer than version ``seen``."""
        while self.version <= seen and not self.deleted:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    @property
    def title(self) -> str:
        for step in self.steps:
            if step.kind == "CHECKPOINT":
                return step.payload.get("conversationTitle", "")
        return ""

    def trajectory(self, *, verbose: bool = True) -> dict[str, Any]:
        """GetCascadeTrajectory's answer."""
        return pruned({
            "trajectory": {
                "trajectoryId": self.trajectory_id,
                "cascadeId": self.id,
                "trajectoryType": "CORTEX_TRAJECTORY_TYPE_CASCADE",
                "source": "CORTEX_TRAJECTORY_SOURCE_CASCADE_CLIENT",
                "steps": [step.render() for step in self.steps] if verbose else [],
                "generatorMetadata": self.generators,
                "executorMetadatas": self.executors,
            },
            "status": RUN + self.status,
            "numTotalSteps": len(self.steps),
            "numTotalGeneratorMetadata": len(self.generators),
        })  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """One entry of GetAllCascadeTrajectories."""
        return pruned({
            "summary": self.title or "New conversation", "stepCount": len(self.steps),
            "lastModifiedTime": timestamp(self.modified), "trajectoryId": self.trajectory_id,
            "status": RUN + self.status, "createdTime": timestamp(self.created), "annotations": self.annotations,
        })  # fmt: skip

    # -- streams ---------------------------------------------------------------------------------------------------

    def agent_state(self, seen: int) -> dict[str, Any]:
        """StreamAgentStateUpdates: the steps that changed after version ``seen`` (all of them for -1)."""
        indices = [index for index, step in enumerate(self.steps) if step.version > seen]
        steps = {"indices": indices, "totalLength": len(self.steps), "steps": [self.steps[i].render() for i in indices]}
        status = RUN + self.status
        update = {
            "conversationId": self.id,
            "trajectoryId": self.trajectory_id,
            "status": status,
            "executableStatus": status,
            "executorLoopStatus": status,
            "mainTrajectoryUpdate": {"stepsUpdate": steps} if indices else None,
        }
        return {"update": pruned_but(update, "indices")}

    def reactive(self, seen: int) -> dict[str, Any]:
        """StreamCascadeReactiveUpdates: the same as a diff by field number; strings are replaced whole."""
        indices = [index for index, step in enumerate(self.steps) if step.version > seen]
        number = {"UNSPECIFIED": 0, "IDLE": 1, "RUNNING": 2, "CANCELING": 3, "BUSY": 4}[self.status]
        diffs: list[dict[str, Any]] = [_singular(3, enumValue=number)]
        if seen < 0:
            diffs.insert(0, _singular(1, stringValue=self.id))
        if indices:
            values = [{"messageValue": {"fieldDiffs": _step_diffs(self.steps[index])}} for index in indices]
            repeated = {"newLength": len(self.steps), "updateIndices": indices, "updateValues": values}
            steps = {"fieldNumber": 2, "updateRepeated": repeated}
            diffs.append(_singular(2, messageValue={"fieldDiffs": [steps]}))
        return {"version": str(self.version), "diff": {"fieldDiffs": diffs}}


def pruned_but(value: dict[str, Any], kept: str) -> Any:
    """``pruned``, but lists named ``kept`` stay whole: 0 is an index there."""
    if not isinstance(value, dict):
        return pruned(value)
    made: dict[str, Any] = {}
    for name, item in value.items():
        new = item if name == kept else pruned_but(item, kept) if isinstance(item, dict) else pruned(item)
        if new not in ("", 0, False, None, []):
            made[name] = new
    return made


def _singular(number: int, **value: Any) -> dict[str, Any]:
    return {"fieldNumber": number, "updateSingular": value}


def _step_diffs(step: Step) -> list[dict[str, Any]]:
    if not isinstance(step, PlannerStep):
        return []
    fields: tuple[tuple[int, Callable[[PlannerStep], str]], ...] = (
        (1, lambda one: one.text),
        (3, lambda one: one.thinking),
        (8, lambda one: one.text),
    )
    inner = [_singular(number, stringValue=text) for number, read in fields if (text := read(step))]
    return [_singular(20, messageValue={"fieldDiffs": inner})]
