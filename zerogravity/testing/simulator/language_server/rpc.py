"""The language-server stand-in's methods: name and JSON in, JSON out. Facts: language-server-and-google A.6-A.13."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.google.families import MODELS
from zerogravity.testing.simulator.language_server.cloud_code import CloudCode
from zerogravity.testing.simulator.language_server.google_client import GoogleCall, GoogleClient
from zerogravity.testing.simulator.language_server.google_requests import model_enum
from zerogravity.testing.simulator.language_server.options import LsOptions, with_knobs
from zerogravity.testing.simulator.language_server.request_members import OF_2026_09, UnknownMember, known
from zerogravity.testing.simulator.language_server.rpc_error import RpcError
from zerogravity.testing.simulator.language_server.runtime import RuntimeTurn
from zerogravity.testing.simulator.language_server.state import Cascade, pruned, timestamp
from zerogravity.testing.simulator.language_server.turn import Turn, UserMessage
from zerogravity.wire.narrow import an_object, items, text

# methods of the real service that are 501 here; an unknown name is a 404
UNIMPLEMENTED = frozenset({
    "RevertToCascadeStep", "SendAllQueuedMessages", "SignalExecutableIdle", "HandleCascadeUserInteraction",
    "WaitForConversationFullyIdle", "GetModelResponse", "RecordAnalyticsEvent",
})  # fmt: skip
MAX_CALLS = 10_000


class Service:
    """The cascades of one language server and what can be done with them."""

    def __init__(self, options: LsOptions, google: GoogleClient) -> None:
        self.options = options
        self.google = google
        self.cascades: OrderedDict[str, Cascade] = OrderedDict()
        self.calls: list[GoogleCall] = []
        self.settings: Json = {}
        self.late_calls: set[asyncio.Task[None]] = set()
        self.closed = False
        self._queues: dict[str, list[UserMessage]] = {}
        self.unary: dict[str, Callable[[Object], Awaitable[Json]]] = {
            "StartCascade": self._start_cascade,
            "SendUserCascadeMessage": self._send,
            "CancelCascadeInvocation": self._cancel,
            "UpdateConversationAnnotations": self._annotate,
            "DeleteCascadeTrajectory": self._delete,
            "LoadTrajectory": self._load,
            "GetCascadeTrajectorySteps": self._steps,
            "GetCascadeTrajectory": self._trajectory,
            "GetCascadeTrajectoryGeneratorMetadata": self._generator_metadata,
            "GetAllCascadeTrajectories": self._all,
            "Heartbeat": self._heartbeat,
            "GetUserStatus": self._user_status,
            "GetAuthStatus": self._auth_status,
            "GetCascadeModelConfigData": self._models,
            "GetCascadeModelConfigs": self._models,
            "GetCommandModelConfigs": self._command_models,
            "SetUserSettings": self._set_settings,
            "GetUnleashData": self._nothing,
            "GetModelStatuses": self._nothing,
            **CloudCode(options, google).unary,
        }
        self.streaming: dict[str, Callable[[Object], AsyncIterator[Json]]] = {
            "StreamCascadeReactiveUpdates": self._reactive,
            "StreamAgentStateUpdates": self._agent_state,
        }

    async def close(self) -> None:
        """Stop every turn; none begins until ``closed`` is reset."""
        self.closed = True
        tasks = [cascade.task for cascade in self.cascades.values() if cascade.task is not None]
        tasks += self.late_calls
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def check(self, method: str) -> None:
        """Raises RpcError for a method that this build lacks, or that a test has refused."""
        if method in self.options.refusals:
            raise RpcError(*self.options.refusals[method])
        if method in UNIMPLEMENTED or method in self.options.missing:
            raise RpcError(501, "unimplemented", f"{method} is not implemented")

    def read(self, method: str, body: Object) -> Object:
        """A request as this build understands it. Raises RpcError for a member that a strict one does not know."""
        if self.options.newer_forms and not self.options.strict:
            return body
        lacking = frozenset[tuple[str, str]]() if self.options.newer_forms else OF_2026_09
        try:
            return known(method, body, strict=self.options.strict, lacking=lacking)
        except UnknownMember as error:
            raise RpcError(400, "invalid_argument", f'proto: (line 1:2): unknown field "{error}"') from None

    # -- cascades --------------------------------------------------------------------------------------------------

    def _cascade(self, body: Object, name: str = "cascadeId") -> Cascade:
        cascade_id = body.get(name)
        if not isinstance(cascade_id, str) or not cascade_id:
            raise RpcError(400, "invalid_argument", f"{name} is required")
        found = self.cascades.get(cascade_id)
        if found is None:
            raise RpcError(404, "not_found", f"cascade {cascade_id} not found")
        return found

    async def _start_cascade(self, body: Object) -> Json:
        cascade_id = body.get("cascadeId") or str(uuid4())
        if not isinstance(cascade_id, str):
            raise RpcError(400, "invalid_argument", "cascadeId must be a string")
        if cascade_id in self.cascades:
            raise RpcError(409, "already_exists", f"cascade {cascade_id} exists")
        self.cascades[cascade_id] = Cascade(cascade_id)
        for old in list(self.cascades)[: max(len(self.cascades) - self.options.keep, 0)]:
            if not self.cascades[old].running:
                del self.cascades[old]
        return {"cascadeId": cascade_id}

    async def _send(self, body: Object) -> Json:
        cascade = self._cascade(body)
        message = self._user_message(body)
        if cascade.running:
            self._queues.setdefault(cascade.id, []).append(message)
            return {}
        self._begin(cascade, message, with_knobs(self.options, _message(body, "cascadeConfig")))
        if self.options.blocking == "always" or (self.options.blocking == "requested" and body.get("blocking") is True):
            assert cascade.task is not None
            await asyncio.wait([cascade.task])
        return {}

    def _user_message(self, body: Object) -> UserMessage:
        planner = _message(body, "cascadeConfig", "plannerConfig")
        model = _message(planner, "requestedModel").get("model") or planner.get("planModel")
        if not model:
            raise RpcError(500, "unknown", "neither PlanModel nor RequestedModel specified")
        enum = model_enum(model)
        if enum is None or not self.options.logged_in:
            raise RpcError(500, "unknown", f"model not found: {model}")
        words = "".join(_string(item, "text") for item in _messages(body, "items"))
        images = [_blob(one, "base64Data") for one in _messages(body, "images")]
        images += [_blob(one, "inlineData") for one in _messages(body, "media")]
        if not words and not images:
            raise RpcError(400, "invalid_argument", "items is required")
        commands = _message(planner, "toolConfig", "runCommand", "autoCommandConfig")
        policy = _string(commands, "autoExecutionPolicy")
        return UserMessage(words, enum, images, commands=policy.endswith(("_AUTO", "_EAGER")))

    def _begin(self, cascade: Cascade, message: UserMessage, options: LsOptions) -> None:
        if options.quote_history:
            earlier = [one for one in self.cascades.values() if one is not cascade and one.steps]
            cascade.quoted = tuple(str(one.steps[0].payload.get("userResponse", "")) for one in earlier[-3:])
        cascade.snapshot = [step.render() for step in cascade.steps]
        kind = RuntimeTurn if options.runtime else Turn
        turn = kind(cascade, message, self.google, options, self._on_call)
        turn.begin()
        cascade.task = asyncio.create_task(turn.run())
        cascade.task.add_done_callback(lambda _: self._ended(cascade, turn))

    def _ended(self, cascade: Cascade, turn: Turn) -> None:
        if cascade.task is not None and not cascade.task.cancelled() and (error := cascade.task.exception()):
            raise error
        if cascade.status != "IDLE":  # cancelled before it ran at all
            cascade.set_status("IDLE")
        cascade.snapshot = [step.render() for step in cascade.steps]
        if self.closed:
            return
        if turn.options.late_s is not None:
            task = asyncio.create_task(_late(turn, turn.options.late_s))
            self.late_calls.add(task)
            task.add_done_callback(self.late_calls.discard)
        waiting = self._queues.get(cascade.id)
        if waiting and not cascade.deleted:
            self._begin(cascade, waiting.pop(0), self.options)

    def _on_call(self, call: GoogleCall) -> None:
        self.calls.append(call)
        del self.calls[:-MAX_CALLS]

    async def _cancel(self, body: Object) -> Json:
        cascade = self._cascade(body)
        self._queues.pop(cascade.id, None)
        if cascade.running:
            assert cascade.task is not None
            cascade.set_status("CANCELING")
            cascade.task.cancel()
            await asyncio.wait([cascade.task])
        return {}

    async def _annotate(self, body: Object) -> Json:
        ids = items(body.get("cascadeIds")) or [body.get("cascadeId")]
        new, merges = _message(body, "annotations"), body.get("mergeAnnotations") is True
        for cascade in [self._cascade({"cascadeId": one}) for one in ids]:
            cascade.annotations = {**cascade.annotations, **new} if merges else new
        return {}

    async def _delete(self, body: Object) -> Json:
        cascade = self._cascade(body)
        await self._cancel(body)
        cascade.deleted = True
        cascade.touch()
        del self.cascades[cascade.id]
        return {}

    async def _load(self, body: Object) -> Json:
        cascade = self._cascade(body)
        cascade.snapshot = [step.render() for step in cascade.steps]
        return {}

    # -- reading ---------------------------------------------------------------------------------------------------

    async def _steps(self, body: Object) -> Json:
        cascade = self._cascade(body)
        offset = _offset(body, "stepOffset")
        if self.options.frozen_steps and cascade.running:
            return {"steps": cascade.snapshot[offset:]}
        return {"steps": [step.render() for step in cascade.steps[offset:]]}

    async def _trajectory(self, body: Object) -> Json:
        return self._cascade(body).trajectory()

    async def _generator_metadata(self, body: Object) -> Json:
        return {"generatorMetadata": self._cascade(body).generators[_offset(body, "generatorMetadataOffset") :]}

    async def _all(self, body: Object) -> Json:
        shown = {one.id: one.summary() for one in self.cascades.values() if one.steps or one.annotations}
        return {"trajectorySummaries": shown}

    async def _reactive(self, body: Object) -> AsyncIterator[Json]:
        if not self.options.reactive:
            raise RpcError(500, "unknown", "reactive state is disabled")
        async for seen, cascade in self._versions(self._cascade(body, "id")):
            yield cascade.reactive(seen)
            if cascade.executors and not cascade.running:
                return  # finite: it ends after a turn (A.10)

    async def _agent_state(self, body: Object) -> AsyncIterator[Json]:
        if not self.options.agent_state:
            raise RpcError(501, "unimplemented", "StreamAgentStateUpdates is not implemented")
        async for seen, cascade in self._versions(self._cascade(body, "conversationId")):
            yield cascade.agent_state(seen)

    async def _versions(self, cascade: Cascade) -> AsyncIterator[tuple[int, Cascade]]:
        """The version that was seen last, each time there is a newer one; -1 first."""
        cascade.subscribed.set()
        seen = -1
        while not cascade.deleted:
            now = cascade.version
            yield seen, cascade
            seen = now
            await cascade.changed(seen)

    # -- the user and the models -----------------------------------------------------------------------------------

    async def _heartbeat(self, body: Object) -> Json:
        return {"lastExtensionHeartbeat": timestamp()}

    async def _user_status(self, body: Object) -> Json:
        if not self.options.logged_in:
            raise RpcError(500, "unknown", "user is not logged in")
        plan = {"planName": "Pro", "monthlyPromptCredits": 50000}
        return {"userStatus": {
            "name": "Ada", "email": "ada@example.com",
            "userTier": {"id": "g1-pro-tier", "name": "Google AI Pro"},
            "planStatus": {"planInfo": plan, "availablePromptCredits": 500},
            "cascadeModelConfigData": await self._models(body),
        }}  # fmt: skip

    async def _auth_status(self, body: Object) -> Json:
        signed_in = {"hasValidAuth": True, "authMode": "AUTH_MODE_PERSONAL_CONSUMER"}
        return {"authResult": signed_in if self.options.logged_in else dict(self.options.auth)}

    async def _command_models(self, body: Object) -> Json:
        return {"clientModelConfigs": (await self._models(body))["clientModelConfigs"]}

    async def _models(self, body: Object) -> Json:
        reset = timestamp((dt.datetime.now(dt.UTC) + dt.timedelta(hours=5)).timestamp())
        configs = [
            {
                "label": self.options.labels.get(enum, label), "modelOrAlias": {"model": enum},
                "isRecommended": name == MODELS[0][0],
                "supportsImages": name.startswith(("gemini", "claude")),
                "quotaInfo": {"remainingFraction": self.options.quotas.get(enum, 0.83), "resetTime": reset},
                "supportedMimeTypes": {"image/png": True},
                "modelId": name if self.options.model_ids else "",
            }
            for name, label, enum in MODELS
        ]  # fmt: skip
        groups = [{"groupName": "Recommended", "modelLabels": [MODELS[0][1]]}]
        return pruned({"clientModelConfigs": configs, "clientModelSorts": [{"name": "Recommended", "groups": groups}]})

    async def _set_settings(self, body: Object) -> Json:
        self.settings |= _message(body, "userSettings")
        return {"userSettings": self.settings}

    async def _nothing(self, body: Object) -> Json:
        return {}


async def _late(turn: Turn, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await turn.extra_call()


# -- members of a request, read as a protobuf codec does: another type is an error, raised as ValueError -------------


def _message(body: Object, *path: str) -> Object:
    for name in path:
        found = an_object(body.get(name) or {})
        if found is None:
            raise ValueError(f"{name} is no message")
        body = found
    return body


def _messages(body: Object, name: str) -> list[Object]:
    found = [an_object(item) for item in items(body.get(name))]
    if None in found or not isinstance(body.get(name) or [], list):
        raise ValueError(f"{name} is no list of messages")
    return [one for one in found if one is not None]


def _string(body: Object, name: str) -> str:
    if not isinstance(value := body.get(name, ""), str):
        raise ValueError(f"{name} is no string")
    return value


def _offset(body: Object, name: str) -> int:
    if not isinstance(value := body.get(name) or 0, int | float | str):
        raise ValueError(f"{name} is no number")
    return max(int(value), 0)


def _blob(image: Object, name: str) -> Json:
    data = text(image.get(name))
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise RpcError(400, "invalid_argument", "image data is not base64") from None
    return {"data": data, "mimeType": image.get("mimeType") or "image/png"}
