"""What a language server is asked, in two forms: the ``newer`` without what its own schema has deprecated, and the
``older`` for builds that do not know the newer's members. Pure.

A build that does not know a member refuses the message, or ignores it and then misses what the member said: ``refused``
knows both. Facts: language-server-schema (calls we use); language-server-and-google A.6-A.13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zerogravity.backends.antigravity.errors import Refused
from zerogravity.core.policy import MAX_FOLLOW_UPS
from zerogravity.wire.narrow import Json

METADATA = {"ideName": "antigravity", "extensionName": "antigravity", "locale": "en"}
NO_COMMANDS = {"runCommand": {"autoCommandConfig": {"autoExecutionPolicy": "CASCADE_COMMANDS_AUTO_EXECUTION_OFF"}}}
SUBSCRIBER = "zerogravity"

# What makes the LS call Google no oftener than core.policy waits for. Only in the newer form: older builds do not know
# all of it, and after a turn has ended further calls of it are answered here, whatever they are for.
EXECUTOR: Json = {
    # "Nothing at all" and "thinking only" are waited for: the LS has to go on by itself, which True would end.
    "disableEmptyOutputContinuation": False,
    # The policy takes so many answers without content in all; the LS would ask for ever.
    "maxConsecutiveEmptyOutputRetries": MAX_FOLLOW_UPS - 1,
}
RETRIES: Json = {
    # After a malformed call, or one that cannot be run (capture.ls_answer.retry_chunk), the policy waits for one more.
    # Measured with Google's runtime, the same agent: 1 is one further call; 0 would forbid tools in the first.
    "modelOutputRetry": {"maxRetries": 1},
    # Google's 429 and 503 are the client's at once, with Retry-After: nobody waits in its place.
    "apiRetry": {"maxRetries": 0},
}
PLANNER: Json = {
    "toolConfig": NO_COMMANDS,
    "retryConfig": RETRIES,
    # It breaks off an answer that repeats itself, which the client is reading already, and calls again.
    "disableLoopDetection": True,
}

# What a build says that has ignored the newer form's model, or knows no such member, enum name or planner. The second
# words are those of the agent inside of Google's binary: "plan model not specified; you must specify a valid model".
_MISSES = re.compile(
    r"\b(plan ?model|requested ?model|planner (type|config)|unknown field|invalid value for enum"
    r"|model\b.{0,100}\bnot found)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Forms:
    """One request, both ways."""

    newer: Json
    older: Json


def _with_metadata(body: Json) -> Forms:
    return Forms(body, {"metadata": METADATA, **body})


HEARTBEAT = USER_STATUS = _with_metadata({})
START = _with_metadata({
    "source": "CORTEX_TRAJECTORY_SOURCE_CASCADE_CLIENT",
    "trajectoryType": "CORTEX_TRAJECTORY_TYPE_CASCADE",
})  # fmt: skip


def message(cascade_id: str, text: str, model: str, images: Sequence[Mapping[str, str]] = ()) -> Forms:
    """SendUserCascadeMessage. ``model``: an enum's name, its number as text, or Google's name. ``images``: with
    ``base64Data`` and ``mimeType``."""
    body: Json = {
        "cascadeId": cascade_id,
        "items": [{"text": text}],
        "clientType": "CHAT_CLIENT_REQUEST_STREAM_CLIENT_TYPE_IDE",
        "messageOrigin": "AGENT_MESSAGE_ORIGIN_IDE",
    }
    enum = int(model) if model.isdigit() else model
    listed = isinstance(enum, int) or enum.startswith("MODEL_")
    planner = {**PLANNER, "planModel" if listed else "modelName": enum}
    newer = {**body, "cascadeConfig": {"plannerConfig": planner, "executorConfig": EXECUTOR}}
    conversational = {"plannerMode": "CONVERSATIONAL_PLANNER_MODE_DEFAULT", "agenticMode": True}
    planner = {"conversational": conversational, "toolConfig": NO_COMMANDS, "requestedModel": {"model": enum}}
    older = {**body, "metadata": METADATA, "cascadeConfig": {"plannerConfig": planner}}
    if images:
        newer["media"] = [{"mimeType": one["mimeType"], "inlineData": one["base64Data"]} for one in images]
        older["images"] = [dict(one) for one in images]
    return Forms(newer, older if listed else newer)  # older builds know no model by Google's name


def steps(cascade_id: str, offset: int) -> Forms:
    """GetCascadeTrajectorySteps. A build that ignores how much it is asked to show has the texts by default as well."""
    body: Json = {"cascadeId": cascade_id, "stepOffset": offset}
    return Forms(
        {**body, "trajectoryVerbosity": "CLIENT_TRAJECTORY_VERBOSITY_FULL"},
        {**body, "verbosity": "CLIENT_TRAJECTORY_VERBOSITY_DEBUG"},
    )


def annotation(cascade_id: str, viewed: str) -> Forms:
    """UpdateConversationAnnotations. ``viewed``: RFC 3339."""
    body: Json = {"annotations": {"lastUserViewTime": viewed}, "mergeAnnotations": True}
    return Forms({"cascadeIds": [cascade_id], **body}, {"cascadeId": cascade_id, **body})


def state_streams(cascade_id: str) -> tuple[tuple[str, Json], ...]:
    """The methods that stream a cascade's state and their requests, best first: the second is deprecated."""
    return (
        ("StreamAgentStateUpdates", {"conversationId": cascade_id, "subscriberId": SUBSCRIBER}),
        ("StreamCascadeReactiveUpdates", {"protocolVersion": 1, "id": cascade_id, "subscriberId": SUBSCRIBER}),
    )


def refused(error: Refused) -> bool:
    """Whether the form can be why the LS refused. Never for what Google has refused: then it was understood."""
    return not error.passed_on and (error.word == "invalid_argument" or named(error))


def named(error: Refused) -> bool:
    """Whether the refusal names the form as its reason."""
    return bool(_MISSES.search(error.said))
