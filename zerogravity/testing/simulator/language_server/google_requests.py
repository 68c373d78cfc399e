"""The Google requests the language-server stand-in writes: envelope, wrapped user text, own tools, Go's JSON.

Facts: language-server-and-google C.2, C.3, D.1, D.3.
"""

from __future__ import annotations

import json
import time
from uuid import UUID, uuid4

from zerogravity.testing.simulator import Json
from zerogravity.testing.simulator.google.families import MODELS
from zerogravity.testing.simulator.language_server.options import LsOptions
from zerogravity.testing.simulator.language_server.state import Cascade, timestamp

FNV_OFFSET_BASIS = "-3750763034362895579"  # the LS hashes an empty string (C.3)
STOP_SEQUENCES = ["<|user|>", "<|bot|>", "<|context_request|>", "<|endoftext|>", "<|end_of_turn|>"]
BUDGETS = {
    "gemini-3-flash-agent": 10000, "gemini-3.5-flash-low": 4000, "gemini-3.5-flash-extra-low": 1000,
    "gemini-3.1-pro-high": 10001, "gemini-3.1-pro-low": 1001, "claude-opus-4-6-thinking": 1024,
    "claude-sonnet-4-6": 1024, "gpt-oss-120b-medium": 8192,
}  # fmt: skip
ENUMS = {enum: name for name, _, enum in MODELS} | {
    "MODEL_PLACEHOLDER_M47": "gemini-3-flash", "MODEL_PLACEHOLDER_M16": "gemini-pro-agent",
    "MODEL_PLACEHOLDER_M12": "claude-opus-4-5-thinking", "MODEL_GOOGLE_GEMINI_2_5_FLASH_THINKING": "gemini-2.5-flash",
    "MODEL_CLAUDE_4_5_SONNET": "claude-sonnet-4-5", "MODEL_CLAUDE_4_5_SONNET_THINKING": "claude-sonnet-4-5-thinking",
}  # fmt: skip
NUMBERS = {
    333: "MODEL_CLAUDE_4_5_SONNET", 334: "MODEL_CLAUDE_4_5_SONNET_THINKING", 342: "MODEL_OPENAI_GPT_OSS_120B_MEDIUM",
    246: "MODEL_GOOGLE_GEMINI_2_5_PRO", 312: "MODEL_GOOGLE_GEMINI_2_5_FLASH",
    313: "MODEL_GOOGLE_GEMINI_2_5_FLASH_THINKING", 330: "MODEL_GOOGLE_GEMINI_2_5_FLASH_LITE",
}  # fmt: skip
TOOLS = {
    "view_file": ("AbsolutePath", "VIEW_FILE"), "list_dir": ("DirectoryPath", "LIST_DIRECTORY"),
    "grep_search": ("Query", "GREP_SEARCH"), "find_by_name": ("Pattern", "LIST_DIRECTORY"),
    "run_command": ("CommandLine", "RUN_COMMAND"), "command_status": ("CommandId", "RUN_COMMAND"),
    "send_command_input": ("Input", "RUN_COMMAND"), "write_to_file": ("TargetFile", "CODE_ACTION"),
    "replace_file_content": ("TargetFile", "CODE_ACTION"), "search_web": ("query", "SEARCH_WEB"),
    "read_url_content": ("Url", "VIEW_FILE"), "generate_image": ("Prompt", "GENERATE_IMAGE"),
    "task_boundary": ("TaskName", "TASK_BOUNDARY"), "notify_user": ("Message", "NOTIFY_USER"),
}  # fmt: skip
TITLE_REQUEST = "Give this conversation a title of three to five words. Answer with the title only."


def go_json(value: object) -> bytes:
    """JSON as Go's encoder writes it: no blanks; ``<``, ``>``, ``&`` and the two separators escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for raw, escaped in (
        ("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"),
    ):  # fmt: skip
        if raw in text:
            text = text.replace(raw, escaped)
    return text.encode("utf-8", "replace")


def model_enum(model: object) -> str | None:
    """The enum name of a model given by name or number; None when it does not exist. Raises ValueError."""
    if not isinstance(model, str | int):
        raise ValueError("a model is a name or a number")
    if isinstance(model, int) or model.isdigit():
        number = int(model)
        model = f"MODEL_PLACEHOLDER_M{number - 1000}" if number > 1000 else NUMBERS.get(number, "")
    return model if model in ENUMS else None


def user_contents(cascade: Cascade, text: str, images: list[Json], options: LsOptions) -> list[Json]:
    """The contents of a new user turn: the wrapped text and the LS's own entries beside it."""

    def entry(body: str) -> str:
        index = len(cascade.steps) - 3 + len(made)
        return f"Step Id: {max(index, 0)}\n\n{body}" if options.step_ids else body

    made: list[str] = []
    wrapped = f"<USER_REQUEST>\n{text}\n</USER_REQUEST>" if options.wrap else text
    state = f"The current local time is: {timestamp()}."
    if not options.runtime:
        state += "\n\nThe user has no open files."
    metadata = f"<ADDITIONAL_METADATA>\n{state}\n</ADDITIONAL_METADATA>"
    made.append(entry(f"{wrapped}\n{metadata}") if options.wrap else text)
    if options.history:
        lines = [f"- {line}" for line in (*options.history_lines, *cascade.quoted)]
        summaries = "\n".join(lines or ["(summaries of earlier conversations)"])
        made.append(entry(f"# Conversation History\n{summaries}"))
    if options.ephemeral:
        made.append(entry("<EPHEMERAL_MESSAGE>\nDo not forget the reminders of the system.\n</EPHEMERAL_MESSAGE>"))
    blobs = [{"inlineData": {"mimeType": one["mimeType"], "data": one["data"]}} for one in images]
    if options.layout == "parts":
        return [{"role": "user", "parts": [*({"text": one} for one in made), *blobs]}]
    first, *others = made
    return [
        {"role": "user", "parts": [{"text": first}, *blobs]},
        *({"role": "user", "parts": [{"text": one}]} for one in others),
    ]


def agent_body(cascade: Cascade, enum: str, options: LsOptions) -> Json:
    """One agent call with everything the cascade has said so far."""
    model = ENUMS[enum]
    request: Json = {
        "contents": cascade.contents,
        "systemInstruction": {"role": "user", "parts": [{"text": "You are Antigravity, an agentic coding assistant."}]},
        "tools": [{"functionDeclarations": [_declaration(name)]} for name in TOOLS],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
        "generationConfig": {
            "temperature": 0.4, "topP": 1, "topK": 50, "candidateCount": 1,
            "maxOutputTokens": 64000 if model.startswith("claude-") else 65536,
            "stopSequences": STOP_SEQUENCES,
            "thinkingConfig": {"includeThoughts": True},
        },
    }  # fmt: skip
    if not options.envelope:
        return request
    request["generationConfig"]["thinkingConfig"]["thinkingBudget"] = BUDGETS.get(model, 10000)
    request["labels"] = {
        "trajectory_id": cascade.trajectory_id, "last_step_index": str(len(cascade.steps) - 1),
        "last_execution_id": f"e-{cascade.invocations}", "request_id": f"{cascade.trajectory_id}-{cascade.seq}",
        "model_enum": enum, "used_claude": "true" if "CLAUDE" in enum else "false",
    }  # fmt: skip
    request["sessionId"] = FNV_OFFSET_BASIS
    now = time.time_ns() // 1_000_000
    owner = cascade.id if options.request_id == "cascade" else str(uuid4())
    request_id = f"agent/{owner}/{now}/{cascade.trajectory_id}/{cascade.seq}"
    body: Json = {
        "project": options.project,
        "requestId": str(uuid4()) if options.request_id == "uuid" else request_id,
        "model": model,
        "userAgent": "antigravity",
        "requestType": "agent",
        "request": request,
    }
    if not options.request_types:
        del body["requestType"]
    return body


def runtime_body(cascade: Cascade, *, mode: str, most: int = 65535) -> Json:
    """A call of Google's Antigravity runtime: on the public API, all tools in one entry, a session of its own."""
    return {
        "contents": cascade.contents,
        "systemInstruction": {"role": "user", "parts": [{"text": "<System>\nPlain.\n</System>"}]},
        "tools": [{"functionDeclarations": [_schema_declaration(name) for name in TOOLS]}],
        "toolConfig": {"functionCallingConfig": {"mode": mode}},
        "generationConfig": {"maxOutputTokens": most},
        "sessionId": str(int.from_bytes(UUID(cascade.id).bytes[:8], signed=True)),
    }


def checkpoint_body(cascade: Cascade, answer: str, options: LsOptions) -> Json:
    """The title call: repeats the user's wrapped text, marker and all."""
    of_user = [one for one in cascade.contents if one["role"] == "user"]
    wrapped = next((one for one in reversed(of_user) if "<cid:" in json.dumps(one)), of_user[0])
    declaration: Json = {
        "name": "do_not_call",
        "description": "(never)",
        "parameters": {"type": "OBJECT", "properties": {}},
    }
    request: Json = {
        "contents": [
            wrapped,
            {"role": "model", "parts": [{"text": answer or "ok"}]},
            {"role": "user", "parts": [{"text": TITLE_REQUEST}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "You summarise conversations."}]},
        "tools": [{"functionDeclarations": [declaration]}],
        "toolConfig": {"functionCallingConfig": {"mode": "NONE"}},
        "generationConfig": {"temperature": 0.4, "maxOutputTokens": 8192},
    }
    if not options.envelope:
        return request
    request["generationConfig"]["thinkingConfig"] = {"includeThoughts": False, "thinkingBudget": 0}
    body: Json = {
        "project": options.project,
        "requestId": f"checkpoint/{uuid4()}",
        "model": options.checkpoint_model,
        "userAgent": "antigravity",
        "requestType": "checkpoint",
        "request": request,
    }
    if not options.request_types:
        del body["requestType"]
    return body


def _schema_declaration(name: str) -> Json:
    member = TOOLS[name][0]
    schema = {"type": "object", "properties": {member: {"type": "string"}}, "required": [member]}
    return {"name": name, "description": f"d {name}", "parametersJsonSchema": schema}


def _declaration(name: str) -> Json:
    member = TOOLS[name][0]
    properties = {member: {"type": "STRING", "description": "(…)"}}
    return {
        "name": name,
        "description": "(one of the language server's own tools)",
        "parameters": {"type": "OBJECT", "properties": properties, "required": [member]},
    }
