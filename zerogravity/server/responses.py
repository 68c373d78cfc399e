"""The routes of the Responses API besides the one that makes a turn: answer in the background, read, read the stream
again, cancel, delete, page through the input, count and compact. Facts: wire-openai 1, 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.errors import FaultError, bad_request
from zerogravity.server.middleware import json_response
from zerogravity.server.respond import json_answer, notes_header, replay, stream
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.server.turns import count_tokens, read_turn, start
from zerogravity.surfaces.base import Surface
from zerogravity.surfaces.common import token_estimate
from zerogravity.surfaces.responses import compact as summary
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.ids import turn_id_of
from zerogravity.surfaces.responses.request import INCLUDES
from zerogravity.surfaces.responses.response import render
from zerogravity.surfaces.responses.stored import StoredResponse

PAGE, MAX_PAGE = 20, 100
Json = Mapping[str, Any]


async def in_background(request: web.Request, surface: Surface, channel: CascadeChannel) -> web.StreamResponse:
    """The answer to a request for which nobody has to wait: what there is of it now, or its stream that can be read
    again."""
    if isinstance(channel.terminal, Failed):  # refused at once: nothing was begun that could be asked for
        raise FaultError(channel.terminal.fault)
    await request.app[RESPONSE_WRITER].begun(channel)
    if channel.turn.stream:
        return await stream(request, surface, channel, resume_from=0)
    request[EXCHANGE].channel = channel
    return json_response(now(request.app[SERVICES], channel), notes_header(channel.turn))


async def retrieve(request: web.Request) -> web.StreamResponse:
    """GET /v1/responses/{id}; with ``stream=true`` its stream, from after ``starting_after``."""
    services = request.app[SERVICES]
    check_include(request)
    streamed = flag(request, "stream")
    flag(request, "include_obfuscation")  # nothing is padded here
    after = number(request, "starting_after", 0, None)
    if after is not None and not streamed:
        raise bad_request("'starting_after' needs 'stream=true'.", param="starting_after")
    found = await find(request)
    if not streamed:
        return json_response(now(services, found) if isinstance(found, CascadeChannel) else found.response)
    skip = 0 if after is None else after + 1
    if isinstance(found, CascadeChannel):
        if not found.turn.background:
            raise not_streamable()
        return await stream(request, services.surfaces["responses"], found, resume_from=skip)
    if not found.response["background"]:
        raise not_streamable()
    elsewhere(found)
    return await replay(request, found.frames_from(skip))


async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/responses/{id}; a running one is cancelled first."""
    found = await find(request)
    if isinstance(found, CascadeChannel):
        request.app[SERVICES].engine.cancel(found)
    else:
        elsewhere(found)
    identity = request.match_info["id"]
    if not await request.app[RESPONSE_WRITER].delete(identity, request[EXCHANGE].owner):
        raise unknown(identity)  # somebody was quicker
    return json_response({"id": identity, "object": "response", "deleted": True})


async def cancel(request: web.Request) -> web.Response:
    """POST /v1/responses/{id}/cancel; once more changes nothing, nor does it when the response is over."""
    found = await find(request)
    background = found.turn.background if isinstance(found, CascadeChannel) else found.response["background"]
    if not background:
        raise bad_request("Cannot cancel a synchronous response.", param="response_id")
    if isinstance(found, CascadeChannel):
        services = request.app[SERVICES]
        services.engine.cancel(found)
        return json_response(now(services, found))
    elsewhere(found)
    return json_response(found.response)


async def input_items(request: web.Request) -> web.Response:
    """GET /v1/responses/{id}/input_items"""
    check_include(request)
    limit = number(request, "limit", 1, MAX_PAGE) or PAGE
    order = request.query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_request(f"Invalid value: '{order[:40]}'. Supported values are: 'asc' and 'desc'.", param="order")
    found = await find(request)
    items = found.turn.details_as(ResponsesDetails).input if isinstance(found, CascadeChannel) else found.input_items
    return json_response(page(items, limit, newest_first=order == "desc", after=request.query.get("after")))


def page(items: Sequence[Json], limit: int, *, newest_first: bool, after: str | None) -> dict[str, Any]:
    """One page of a list, as the API pages. Raises FaultError 400 when there is no item ``after``."""
    ordered = list(reversed(items)) if newest_first else list(items)
    begin = 0
    if after is not None:
        begin = next((index for index, item in enumerate(ordered, 1) if item["id"] == after), 0)
        if not begin:
            raise bad_request(f"No item with id '{after[:80]}' found.", param="after")
    data = ordered[begin : begin + limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": begin + limit < len(ordered),
    }


async def input_tokens(request: web.Request) -> web.Response:
    """POST /v1/responses/input_tokens: counted if somebody can, else an estimate that is marked as one."""
    services = request.app[SERVICES]
    some = services.catalogue.list()[0].id  # the model may be left out
    surface = services.surfaces["responses"]
    said = {"store": False, "background": False, "stream": False, "stream_options": None}
    turn = (await read_turn(request, surface, said=said, unsaid={"model": some})).turn
    count = await count_tokens(services, turn)
    headers = token_estimate.MARK if count is None else {}
    if count is None:
        count = sum(token_estimate.by_modality(turn.google_request).values())
    return json_response({"object": "response.input_tokens", "input_tokens": count}, headers)


async def compact(request: web.Request) -> web.Response:
    """POST /v1/responses/compact: a turn of its own, in which the model sums the dialogue up."""
    incoming = await read_turn(request, request.app[SERVICES].surfaces["responses"], parse=summary.parse)
    channel = start(request.app, incoming)
    return await json_answer(
        request, channel, lambda channel, secret: summary.answer(incoming.turn, channel.state, secret)
    )


# -- finding -------------------------------------------------------------------------------------------------------


async def find(request: web.Request) -> CascadeChannel | StoredResponse:
    """The running turn or the stored response of the path's id, if it is this owner's. Raises FaultError 404."""
    services, owner, identity = request.app[SERVICES], request[EXCHANGE].owner, request.match_info["id"]
    turn_id = turn_id_of(identity)
    if turn_id is None:
        raise unknown(identity)
    channel = services.store.get(turn_id)
    if channel is not None and not channel.closed:
        turn = channel.turn
        if turn.store and turn.owner == owner:
            return channel
        raise unknown(identity)
    stored = await request.app[RESPONSE_WRITER].get(identity, owner)
    if stored is None:
        raise unknown(identity)
    return stored


def now(services: Services, channel: CascadeChannel) -> dict[str, Any]:
    """The Response as it is at this moment; queued as long as nothing has happened, as its stream says too."""
    status = "in_progress" if channel.count else "queued"
    return render(channel.turn, channel.state, services.secret, status=status)


def unknown(identity: str) -> FaultError:
    return bad_request(f"Response with id '{identity[:80]}' not found.", code="", status=404)


def elsewhere(found: StoredResponse) -> None:
    """Raises FaultError 409 for one that another process is at: only that one can do more than show it."""
    if found.running:
        text = f"Response '{found.id}' is running in another zerogravity process on the same store; ask that one."
        raise bad_request(text, code="response_running_elsewhere", status=409)


def not_streamable() -> FaultError:
    return bad_request("This response cannot be streamed: it was not created with background=true.", param="stream")


# -- the query -----------------------------------------------------------------------------------------------------


def flag(request: web.Request, name: str) -> bool:
    """``true`` or ``false``, as the SDKs write it."""
    match request.query.get(name, "false").lower():
        case "true" | "1":
            return True
        case "false" | "0" | "":
            return False
        case other:
            raise bad_request(f"Invalid value: '{other[:40]}'. Expected true or false.", param=name)


def number(request: web.Request, name: str, least: int, most: int | None) -> int | None:
    """A whole number within its limits; None when it is not given."""
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16) or not least <= int(text) <= (most or int(text)):
        between = f"between {least} and {most}" if most else f"of at least {least}"
        raise bad_request(f"Invalid value: '{text[:40]}'. Expected a whole number {between}.", param=name)
    return int(text)


def check_include(request: web.Request) -> None:
    """Both spellings of the list; its names are the same as at creation, which decided what there is to show."""
    for name in ("include", "include[]"):
        for value in request.query.getall(name, []):
            if value not in INCLUDES:
                raise bad_request(f"Invalid value: '{value[:60]}'.", param="include")
