"""``LsOptions``: the habits of the language-server stand-in, each one seen in some build of the real one.

Facts: language-server-and-google A.7 (knobs), A.14, D.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from zerogravity.hosts import GOOGLE
from zerogravity.wire.narrow import lookup


@dataclass(slots=True)
class LsOptions:
    """The socket, the way to Google, how prompts are written, and how a turn goes.

    ``http_port``: a second, plain port (None: none, 0: any). ``proxy_ca``: like SSL_CERT_FILE, it replaces all others.
    ``one_connection``: calls on https go over one of HTTP/2.
    ``layout``: the LS's own entries as contents of their own or as parts of one. ``history_lines`` are quoted in the
    conversation-history entry; with ``quote_history`` so are the first texts of the earlier cascades, marker and all.
    ``request_id``: ``agent/<cascade>/…``, the same with another cascade's id, or a bare UUID as in old builds.
    ``blocking``: whether SendUserCascadeMessage waits for the end of the turn: as requested, always, never.
    ``checkpoint``: the title call before, during or after the agent call. ``background``: loadCodeAssist and the like.
    ``delay_s``: before Google is called. ``calls_google`` off: the message is taken and nothing ever happens.
    ``runtime``: requests, retries and results as Google's Antigravity runtime has them (``runtime.py``);
    ``compaction``: its context is full at once. Its other habits are in ``BUILDS``.
    ``late_s``: one more call of the same turn so many seconds after its end, also after a cancel.
    ``summary_call``: a second call for the thinking summary after an answer that had thoughts (F7).
    ``retries``, ``retry_s``: of 429, 5xx and transport errors; the wait doubles. ``output_retries``: of malformed
    calls. ``forced``: calls after empty texts.
    ``subscriber``: the model only runs when somebody streams the state (F4). ``honours_knobs``: the switches of
    ``cascadeConfig`` work. ``reactive``, ``agent_state``: which state streams this build has.
    ``idle_early_s``: the run status says IDLE so long before any text is there (A.9). ``frozen_steps``: the Steps
    call shows a snapshot taken between turns, only GetCascadeTrajectory is live (F9).
    ``usage``: where token figures are kept. ``keeps_thinking``: whether the steps have the thoughts.
    ``missing``: methods this build does not have (501). ``refusals``: method → (HTTP status, Connect code, message).
    ``repointable``: SetCloudCodeURL has an effect.
    ``csrf_status``: 403 in plain text, or 401 as Connect's rules have it (F19).
    ``newer_forms``: it knows the members that replace deprecated ones. ``strict``: an unknown member is an error; else
    it is ignored, as by Connect's JSON codec in Go. ``model_ids``: it tells Google's names of models.
    ``auth``: members of AuthResult while nobody is logged in: the reason.
    ``labels``: enum → label, where this build has another model behind an enum than most.
    ``quotas``: enum → remaining fraction; what is not listed has 0.83; 0 is left out of the answer, as zeros are.
    """

    host: str = "127.0.0.1"
    port: int = 0
    http_port: int | None = None
    http2: bool = True
    csrf: str = field(default_factory=lambda: str(uuid4()), repr=False)
    csrf_status: Literal[401, 403] = 403
    keep: int = 1000

    endpoint: str = GOOGLE
    proxy_url: str | None = None
    proxy_ca: Path | None = None
    proxy_loopback: bool = False
    envelope: bool = True
    project: str = "invented-project-1"
    token: str = field(default="ya29.stand-in-bearer", repr=False)
    api_key: str = field(default="stand-in-key", repr=False)
    user_agent: str = "antigravity/1.20.5 linux/amd64"
    connections: int = 100
    one_connection: bool = False
    read_timeout: float = 600.0

    wrap: bool = True
    step_ids: bool = True
    layout: Literal["contents", "parts"] = "contents"
    history: bool = True
    history_lines: tuple[str, ...] = ()
    quote_history: bool = False
    ephemeral: bool = True
    request_id: Literal["cascade", "other", "uuid"] = "cascade"
    request_types: bool = True
    checkpoint_model: str = "gemini-3.1-flash-lite"

    blocking: Literal["requested", "always", "never"] = "requested"
    checkpoint: Literal["before", "during", "after", "none"] = "after"
    background: bool = True
    delay_s: float = 0.0
    calls_google: bool = True
    runtime: bool = False
    compaction: bool = False
    late_s: float | None = None
    summary_call: bool = False
    retries: int = 3
    retry_s: float = 1.0
    output_retries: int = 3
    forced: int = 2
    invocations: int = 25
    subscriber: bool = False
    honours_knobs: bool = False

    reactive: bool = False
    agent_state: bool = True
    idle_early_s: float = 0.0
    frozen_steps: bool = False
    usage: Literal["both", "generator", "none"] = "both"
    keeps_thinking: bool = True

    newer_forms: bool = True
    strict: bool = False
    model_ids: bool = False
    logged_in: bool = True
    auth: Mapping[str, object] = field(default_factory=dict[str, object])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    quotas: Mapping[str, float] = field(default_factory=dict[str, float])
    repointable: bool = True
    missing: frozenset[str] = frozenset()
    refusals: Mapping[str, tuple[int, str, str]] = field(default_factory=dict[str, tuple[int, str, str]])


# Builds by name: options that differ from the default. The default takes whatever some build takes and has no name: its
# tests are about one habit each, and a client that works with it works with the build that has the habit.
BUILDS: Mapping[str, Mapping[str, Any]] = {
    "2026-03": {  # of the older forms alone (facts A)
        "newer_forms": False, "missing": frozenset({"GetAuthStatus", "SetCloudCodeURL"}),
    },
    "2026-09": {  # by the schema inside of Google's binary, which it takes by the letter
        "strict": True, "model_ids": True, "honours_knobs": True, "user_agent": "antigravity/2.9.0 linux/amd64",
    },
    "runtime": {  # google-antigravity 0.1.22
        "runtime": True, "envelope": False, "one_connection": True, "step_ids": False, "history": False,
        "ephemeral": False, "checkpoint": "none", "background": False, "invocations": 1 << 30,
        "user_agent": "google-antigravity-sdk/0.1.22 python/3.13.0 client-os/linux client-os-ver/6.1",
    },
}  # fmt: skip


def build(name: str, **changes: Any) -> LsOptions:
    """The options of a build, one of ``BUILDS``, with changes. Raises ValueError for another name."""
    if name not in BUILDS:
        raise ValueError(f"{name}: no such build; there are {', '.join(BUILDS)}")
    return LsOptions(**{**BUILDS[name], **changes})


def with_knobs(options: LsOptions, config: Mapping[str, object]) -> LsOptions:
    """The options of one turn: ``cascadeConfig`` switches habits off, in a build that honours it (A.7)."""
    if not options.honours_knobs:
        return options
    changes: dict[str, Any] = {}
    for path, value, name, made in _KNOBS:
        found = lookup(config, *path.split("."))
        if found == value or (value is int and isinstance(found, int)):
            changes[name] = found if value is int else made
    return dataclasses.replace(options, **changes)


# JSON path, the value that matters (``int``: any number), the option, what it becomes
_KNOBS: tuple[tuple[str, object, str, object], ...] = (
    ("checkpointConfig.enabled", False, "checkpoint", "none"),
    ("executorConfig.maxGeneratorInvocations", int, "invocations", None),
    ("executorConfig.maxForcedInvocations", int, "forced", None),
    ("executorConfig.maxConsecutiveEmptyOutputRetries", int, "forced", None),
    ("executorConfig.disableEmptyOutputContinuation", True, "forced", 0),
    ("plannerConfig.retryConfig.apiRetry.maxRetries", int, "retries", None),
    ("plannerConfig.retryConfig.modelOutputRetry.maxRetries", int, "output_retries", None),
    ("plannerConfig.ephemeralMessagesConfig.enabled", False, "ephemeral", False),
    ("trajectoryConversionConfig.useRawUserMessage", True, "wrap", False),
    ("trajectoryConversionConfig.disableStepId", True, "step_ids", False),
    ("conversationHistoryConfig.enabled", False, "history", False),
)
