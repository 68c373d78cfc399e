"""What the language-server stand-in remembers: cascades, their steps, and how those look as protobuf-JSON.

Zero values are left out, 64-bit integers are strings. Facts: language-server-and-google A.5, A.8, A.10.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from zerogravity.testing.simulator import Json, Object
from zerogravity.wire.narrow import an_object, count, items

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


def pruned(message: Mapping[str, object], keep: str = "") -> Json:
    """A message without its zero values; empty messages that are set stay. Members named ``keep`` stay whole."""
    made = {name: item if name == keep else _pruned(item, keep) for name, item in message.items()}
    return {name: value for name, value in made.items() if value not in ("", 0, False, None, [])}


def _pruned(value: object, keep: str) -> object:
    if (message := an_object(value)) is not None:
        return pruned(message, keep)
    many = [_pruned(item, keep) for item in items(value)]
    return many if isinstance(value, list) else value


@dataclass(slots=True, eq=False)
class Step:
    """One step; ``kind`` without its prefix."""

    kind: str
    status: str = "DONE"
    payload: Json = field(default_factory=Json)
    metadata: Json = field(default_factory=Json)
    created: float = field(default_factory=time.time)
    error: Json | None = None
    version: int = 0

    def render(self) -> Json:
        """The step as JSON."""
        return pruned({
            "type": STEP + self.kind,
            "status": STATUS + self.status,
            "metadata": {"createdAt": timestamp(self.created), **self.metadata},
            PAYLOADS.get(self.kind, "payload"): self.payload,
            "error": self.error,
        })  # fmt: skip


@dataclass(slots=True, eq=False)
class PlannerStep(Step):
    """A model answer as it grows: pieces are joined only when somebody looks."""

    texts: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    calls: list[Json] = field(default_factory=list[Json])
    signature: str = ""
    stop_reason: str = ""
    usage: Json = field(default_factory=Json)
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

    def render(self) -> Json:
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


def model_usage(enum: str, figures: Object, response_id: str) -> Json:
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
        self.generators: list[Json] = []
        self.executors: list[Json] = []
        self.annotations: Json = {}
        self.contents: list[Json] = []
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
        self.snapshot: list[Json] = []
        self.task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()

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
        self._change.set()
        self._change = asyncio.Event()

    def set_status(self, status: str) -> None:
        self.status = status
        self.modified = time.time()
        self.touch()

    async def changed(self, seen: int) -> None:
        """Return as soon as there is something newer than version ``seen``."""
        while self.version <= seen and not self.deleted:
            await self._change.wait()

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    @property
    def title(self) -> str:
        titles = (step.payload.get("conversationTitle", "") for step in self.steps if step.kind == "CHECKPOINT")
        return next(titles, "")

    def trajectory(self, *, verbose: bool = True) -> Json:
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

    def summary(self) -> Json:
        """One entry of GetAllCascadeTrajectories."""
        return pruned({
            "summary": self.title or "New conversation", "stepCount": len(self.steps),
            "lastModifiedTime": timestamp(self.modified), "trajectoryId": self.trajectory_id,
            "status": RUN + self.status, "createdTime": timestamp(self.created), "annotations": self.annotations,
        })  # fmt: skip

    # -- streams ---------------------------------------------------------------------------------------------------

    def agent_state(self, seen: int) -> Json:
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
        return {"update": pruned(update, keep="indices")}  # 0 is an index

    def reactive(self, seen: int) -> Json:
        """StreamCascadeReactiveUpdates: the same as a diff by field number; strings are replaced whole."""
        indices = [index for index, step in enumerate(self.steps) if step.version > seen]
        number = {"UNSPECIFIED": 0, "IDLE": 1, "RUNNING": 2, "CANCELING": 3, "BUSY": 4}[self.status]
        diffs: list[Json] = [_singular(3, enumValue=number)]
        if seen < 0:
            diffs.insert(0, _singular(1, stringValue=self.id))
        if indices:
            values = [{"messageValue": {"fieldDiffs": _step_diffs(self.steps[index])}} for index in indices]
            repeated = {"newLength": len(self.steps), "updateIndices": indices, "updateValues": values}
            steps = {"fieldNumber": 2, "updateRepeated": repeated}
            diffs.append(_singular(2, messageValue={"fieldDiffs": [steps]}))
        return {"version": str(self.version), "diff": {"fieldDiffs": diffs}}


def _singular(number: int, **value: object) -> Json:
    return {"fieldNumber": number, "updateSingular": value}


def _step_diffs(step: Step) -> list[Json]:
    if not isinstance(step, PlannerStep):
        return []
    fields = (1, step.text), (3, step.thinking), (8, step.text)
    inner = [_singular(number, stringValue=text) for number, text in fields if text]
    return [_singular(20, messageValue={"fieldDiffs": inner})]
