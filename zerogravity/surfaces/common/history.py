"""The messages of a dialogue → Google's contents, by the rules that Google enforces with 400s.

Adjacent entries of one role are merged, except results with text. All calls of one step are in one model content, and
all their results in the next user content, in the order of the calls. A result belongs to the nearest preceding call
with its id. The first call of a step has a thought signature: the client's, the remembered one, or Google's documented
stand-in for calls that Gemini did not make. Parts of Google's own tools return to their places around a call. The
resolution of an image is sent where the family and the place take it.
Facts: wire-gemini-and-mapping 2.1, 2.2, 4, 6, 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from zerogravity.core.family import STAND_IN, rules
from zerogravity.core.fold import Call
from zerogravity.core.registry import RanCalls, RememberedCall
from zerogravity.core.turn import Target
from zerogravity.errors import bad_request
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.media import HIGH
from zerogravity.surfaces.common.nameless import NOTE, named
from zerogravity.surfaces.common.sealed_state import Carried
from zerogravity.wire import jsonio

Part = Mapping[str, Any]
CONTINUE: Part = {"role": "user", "parts": [{"text": "Continue."}]}  # Google wants the user to speak last
FILES = "Files of the tool results:"
SERVER_TOOLS = frozenset(("toolCall", "toolResponse", "tool_call", "tool_response"))


@dataclass(slots=True)
class _Call:
    call_id: str
    name: str
    upstream_id: str | None
    result: dict[str, Any] | None = None
    media: list[Part] = field(default_factory=list[Part])
    param: str = "input"


@dataclass(slots=True)
class _Step:
    """One model content with calls, and the results that belong to it."""

    parts: list[dict[str, Any]]
    calls: list[_Call] = field(default_factory=list[_Call])


class History:
    """Builds contents entry by entry; ``build`` ends it. ``param`` arguments name the entry in errors.

    ``shows_ran``: the client sees calls that the gateway has run, and sends them back itself; for others they return to
    their places before and beside the client's own call, with their results.
    ``notes``: what was left out. ``dialogue``: after ``build``, the contents that a later turn continues from, without
    the fillers that Google's rules demand.
    """

    def __init__(
        self,
        recall: Callable[[str], RememberedCall | None],
        names: NameMap,
        target: Target,
        *,
        shows_ran: bool = False,
    ) -> None:
        self._recall = recall
        self._shows_ran = shows_ran
        self._names = names
        self._target = target
        self._rules = rules(target.family)
        self.notes: list[str] = []
        self.dialogue: list[dict[str, Any]] = []
        self._contents: list[dict[str, Any]] = []
        self._system: list[dict[str, Any]] = []
        self._step: _Step | None = None
        self._dropped: set[str] = set()  # ids of calls without a name, which Google refuses
        self._deferred: list[list[Part]] = []  # user parts that came between a call and its result

    # -- entries ---------------------------------------------------------------------------------------------

    def system(self, text: str) -> None:
        """System and developer text, in order; empty text is dropped."""
        if text:
            self._system.append({"text": text})

    def user(self, parts: Sequence[Part]) -> None:
        """A user entry. One between a call and its result is moved behind the results."""
        real = [self._supported(part) for part in parts if part.get("text") != ""]
        if not real:
            return
        if self._step is not None and self._open_calls():
            self._deferred.append(real)
            return
        self._finish_step()
        self._add("user", real)

    def model_part(self, part: Mapping[str, Any]) -> None:
        """A text or image of the model, as Google sent it."""
        part = self._supported(part)
        if self._step is not None and self._open_calls():
            self._step.parts.append(dict(part))  # text next to calls whose results are still to come
            return
        self._finish_step()
        self._add("model", [part])

    def model_call(
        self,
        call_id: str,
        name: str,
        args_json: str,
        *,
        carried: Carried | None = None,
        param: str = "input",
        joins: bool = False,
    ) -> None:
        """A function call of the model; ``name`` is the client's name, ``args_json`` its arguments as text, ``carried``
        the state that the client kept for us. A call between the results of others belongs to their step; ``joins``:
        so does one behind them, unless it is signed."""
        remembered = self._recall(call_id)
        ran = remembered.ran if remembered and remembered.ran and not self._shows_ran else RanCalls()
        if remembered is not None and remembered.family != self._target.family:
            remembered, ran = None, unsigned(ran)
        if not name.strip() and not (remembered and remembered.name):
            self._drop([call_id])
            return
        signed = (carried.signature if carried else None) or (remembered.signature if remembered else None)
        if self._step is not None and not self._open_calls() and not (joins and signed is None):
            self._finish_step()
        if self._step is None:
            parts = self._take_model_parts()
            for calls in ran.steps:
                self._step = _Step([])
                self._add_ran(calls)
                self._finish_step()
            self._step = _Step(parts)
        step = self._step
        self._add_ran(ran.before)
        google_name = self._names.to_google(name) if name.strip() else (remembered.name if remembered else "")
        upstream_id = remembered.upstream_id if remembered else None
        before, after = (remembered.before, remembered.after) if remembered else ((), ())
        if carried and not before and self._rules.search_with_functions:
            before = carried.before
        part = self._call_part(step, google_name, args_json, upstream_id or call_id, signed)
        step.parts += [*parsed(before), part, *parsed(after)]
        step.calls.append(_Call(call_id, google_name, upstream_id, param=param))
        self._add_ran(ran.behind)

    def result(
        self,
        call_id: str,
        output: str | Sequence[Part] | dict[str, Any],
        *,
        error: bool = False,
        verbatim: bool = False,
        param: str = "input",
    ) -> None:
        """The result of a call: text, or parts (texts and media), or the ``response`` itself. ``verbatim``: a text that
        is a JSON object stays the text that it is, with its layout. Raises FaultError 400 for an unknown call."""
        call = self._unanswered(call_id)
        if call is None and call_id in self._dropped:
            return
        if call is None:
            raise bad_request(
                f"No tool call found for function call output with call_id {call_id}.",
                param=param,
                code="invalid_value",
            )
        if isinstance(output, dict):
            call.result = output
            return
        if isinstance(output, str):
            text, media = output, []
        else:
            text = "".join(str(part["text"]) for part in output if "text" in part)
            media = [part for part in output if "text" not in part]
        if error:
            call.result = {"error": text}
        else:
            call.result = {"output": text} if verbatim else response_object(text)
        call.media = [self._supported(part, in_result=True) for part in media]

    def expects(self, call_id: str) -> bool:
        """Whether a call of that id waits for its result."""
        return self._unanswered(call_id) is not None

    def extend(self, contents: Sequence[Mapping[str, Any]]) -> None:
        """History in Google's form (a stored response), signatures in place. Calls at its end still expect results, but
        for those that have one (``zgResult``)."""
        self._finish_step()
        contents, lost = named(contents)
        self._drop(lost)
        if contents and contents[0].get("role") == "model" and self._contents and self._contents[-1]["role"] == "model":
            self._contents.append(dict(CONTINUE))
        for content in contents:
            self._contents.append(dict(content))
        last = self._contents[-1] if self._contents else None
        parts = cast("list[dict[str, Any]]", last.get("parts", [])) if last and last.get("role") == "model" else []
        if any("functionCall" in part for part in parts):
            del self._contents[-1]
            self._step = _Step([dict(part) for part in parts])
            for part in parts:
                if isinstance(call := part.get("functionCall"), dict):
                    made = cast("dict[str, Any]", call)
                    call_id, result = str(part.get("zgCallId", made.get("id", ""))), part.get("zgResult")
                    self._step.calls.append(_Call(call_id, made["name"], made.get("id"), result))
            for part in self._step.parts:
                part.pop("zgCallId", None)
                part.pop("zgResult", None)

    # -- the end ---------------------------------------------------------------------------------------------

    def build(
        self, *, param: str = "input", closing: Sequence[Part] = ()
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """(contents, systemInstruction). ``closing``: a last user entry that is not part of the dialogue.
        Raises FaultError 400 when a call has no result or there is nothing to answer."""
        self._finish_step()
        if not self._contents and (closing or not self._system):
            raise bad_request(f"Invalid '{param}': there is nothing to answer.", param=param, code="invalid_value")
        contents = self.dialogue = self._contents
        if closing:
            self._contents = [dict(content) for content in contents]
            self._add("user", closing)
            contents = self._contents
        if not contents:
            contents = [{"role": "user", "parts": [self._system.pop()]}]  # Google needs contents
        if contents[0]["role"] != "user":
            contents = [{"role": "user", "parts": [{"text": "(continued)"}]}, *contents]
        if contents[-1]["role"] == "model":
            contents = [*contents, dict(CONTINUE)]
        system = {"role": "user", "parts": self._system} if self._system else None
        return contents, system

    # -- inside ----------------------------------------------------------------------------------------------

    def _drop(self, call_ids: Sequence[str]) -> None:
        """Leave out calls without a name, which no client can have run, and their results."""
        self._dropped.update(call_ids)
        if call_ids and NOTE not in self.notes:
            self.notes.append(NOTE)

    def _open_calls(self) -> bool:
        return self._step is not None and any(call.result is None for call in self._step.calls)

    def _call_part(
        self, step: _Step, google_name: str, args_json: str, google_id: str, signed: str | None
    ) -> dict[str, Any]:
        call: dict[str, Any] = {"name": google_name, "args": arguments(args_json)}
        if self._rules.ids_on_calls:
            call["id"] = google_id
        if signed is None and not step.calls and self._rules.needs_signature:
            signed = STAND_IN
        return {"functionCall": call} if signed is None else {"functionCall": call, "thoughtSignature": signed}

    def _add_ran(self, calls: Sequence[Call]) -> None:
        """Calls that the gateway has run, to the present step, each with its result."""
        step = self._step
        for call in calls:
            if step is None or call.returned is None:
                continue
            google_id = call.upstream_id or call.call_id
            part = self._call_part(step, call.name, call.args_json, google_id, call.signature)
            step.parts += [*parsed(call.before), part, *parsed(call.after)]
            step.calls.append(_Call(call.call_id, call.name, call.upstream_id))
            output, media = call.returned.output, call.returned.media
            self.result(
                call.call_id, [{"text": output}, *media] if media else output, error=call.returned.error is not None
            )

    def _unanswered(self, call_id: str) -> _Call | None:
        calls = self._step.calls if self._step is not None else []
        return next((call for call in calls if call.call_id == call_id and call.result is None), None)

    def _supported(self, part: Part, *, in_result: bool = False) -> Part:
        """A part without its media resolution, if the family or the place does not take one or has it by default."""
        wanted = part.get("mediaResolution")
        if wanted is None or (self._rules.media_resolution and wanted != HIGH and not in_result):
            return part
        if not (self._rules.media_resolution and wanted == HIGH):
            why = "not possible in tool results" if self._rules.media_resolution else "not supported by this model"
            if (note := f"image detail left out: {why}") not in self.notes:
                self.notes.append(note)
        return {name: value for name, value in part.items() if name != "mediaResolution"}

    def _take_model_parts(self) -> list[dict[str, Any]]:
        """The parts directly before the calls, which belong in the same content."""
        if self._contents and self._contents[-1]["role"] == "model":
            return list(self._contents.pop()["parts"])
        return []

    def _finish_step(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            self._contents.append({"role": "model", "parts": step.parts})
            missing = next((call for call in step.calls if call.result is None), None)
            if missing is not None:
                raise bad_request(
                    f"No tool output found for function call {missing.call_id}.",
                    param=missing.param,
                    code="invalid_value",
                )
            self._contents.append({"role": "user", "parts": [self._response(call) for call in step.calls]})
            if not self._rules.media_in_results and (media := [part for call in step.calls for part in call.media]):
                self._contents.append({"role": "user", "parts": [{"text": FILES}, *media]})
        late, self._deferred = self._deferred, []
        for parts in late:
            self._add("user", parts)

    def _response(self, call: _Call) -> dict[str, Any]:
        response: dict[str, Any] = {"name": call.name, "response": call.result}
        if self._rules.ids_on_calls:
            response["id"] = call.upstream_id or call.call_id
        if call.media and self._rules.media_in_results:
            response["parts"] = list(call.media)
        return {"functionResponse": response}

    def _add(self, role: str, parts: Sequence[Part]) -> None:
        """Append parts, to the last content if it has the same role and holds no results."""
        last = self._contents[-1] if self._contents else None
        if last is not None and last["role"] == role and not _has_results(last["parts"]):
            last["parts"] = [*last["parts"], *parts]
        else:
            self._contents.append({"role": role, "parts": list(parts)})


def arguments(args_json: str) -> dict[str, Any]:
    """Arguments as text → object, numbers exact. What is not an object is wrapped in one."""
    text = args_json.strip()
    if not text:
        return {}
    try:
        value = jsonio.loads(text.encode("utf-8", "replace"))
    except ValueError:
        return {"arguments": args_json}
    if value is None:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"arguments": value}


def unsigned(ran: RanCalls) -> RanCalls:
    """As another family gets them: without what only the model knows that has made them."""

    def plain(calls: Iterable[Call]) -> tuple[Call, ...]:
        return tuple(
            replace(call, signature=None, before=list[str](), after=list[str](), upstream_id=None) for call in calls
        )

    return RanCalls(tuple(map(plain, ran.steps)), plain(ran.before), plain(ran.behind))


def parsed(parts: Iterable[str]) -> list[dict[str, Any]]:
    """Parts from their source texts."""
    return [cast("dict[str, Any]", jsonio.loads(part.encode("utf-8", "replace"))) for part in parts]


def response_object(text: str) -> dict[str, Any]:
    """A tool's output text → ``response``, which must be an object.

    A JSON object is used as it is, unless it holds a ``$ref`` (Gemini reads that as a pointer to a part).
    """
    stripped = text.strip()
    if stripped.startswith("{") and '"$ref"' not in stripped:
        try:
            value = jsonio.loads(stripped.encode("utf-8", "replace"))
        except ValueError:
            value = None
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
    return {"output": text}


def _has_results(parts: Sequence[Part]) -> bool:
    return any("functionResponse" in part for part in parts)
