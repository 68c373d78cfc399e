"""The other routes of the Responses API: answer in the background, retrieve, resume a stream, cancel, delete, list
input items, and compact. Facts: wire-openai 1, 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.errors import FaultError, bad_request
from zerogravity.server.elsewhere import ELSEWHERE, stream_lost
from zerogravity.server.middleware import json_response
from zerogravity.server.respond import json_answer, replay, stream
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.server.turn_headers import turn_headers
from zerogravity.server.turns import read_turn, start
from zerogravity.store.base import Unreadable
from zerogravity.surfaces.base import Surface
from zerogravity.surfaces.responses import compact as summary
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.ids import turn_id_of
from zerogravity.surfaces.responses.request import INCLUDES
from zerogravity.surfaces.responses.response import render, unfinished
from zerogravity.surfaces.responses.stored import StoredResponse
from zerogravity.wire.narrow import Json

PAGE, MAX_PAGE = 20, 100


async def in_background(request: web.Request, surface: Surface, channel: CascadeChannel) -> web.StreamResponse:
    """The answer to a background request: the response as it was created, or its stream, which can be resumed."""
    if isinstance(channel.terminal, Failed):  # refused at once: there is nothing to retrieve later
        raise FaultError(channel.terminal.fault)
    await request.app[RESPONSE_WRITER].start_saved(channel)
    if channel.turn.stream:
        return await stream(request, surface, channel, resume_from=0)
    request[EXCHANGE].channel = channel
    return json_response(unfinished(channel.turn, "queued"), turn_headers(surface, channel))


async def retrieve(request: web.Request) -> web.StreamResponse:
    """GET /v1/responses/{id}; with ``stream=true`` its stream, from after ``starting_after``."""
    services = request.app[SERVICES]
    check_include(request)
    streamed = flag(request, "stream")
    flag(request, "include_obfuscation")  # accepted; nothing is padded here
    after = number(request, "starting_after", 0, None)
    if after is not None and not streamed:
        raise bad_request("'starting_after' needs 'stream=true'.", param="starting_after")
    found = await find(request)
    if not streamed:
        return json_response(current_response(services, found) if isinstance(found, CascadeChannel) else found.response)
    skip = 0 if after is None else after + 1
    if isinstance(found, CascadeChannel):
        if not found.turn.background:
            raise not_streamable()
        return await stream(request, services.surfaces["responses"], found, resume_from=skip)
    if not found.response["background"]:
        raise not_streamable()
    if found.running:
        return await request.app[ELSEWHERE].stream(request, found, skip)
    if found.stream_lost:
        raise stream_lost()
    return await replay(request, found.frames_from(skip))


async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/responses/{id}; a running one is cancelled first. Of a lost or damaged one, what there is of it is
    removed."""
    writer, owner, identity = request.app[RESPONSE_WRITER], request[EXCHANGE].owner, request.match_info["id"]
    elsewhere = False
    with suppress(Unreadable):  # nobody can be asked about it
        if not writer.pending.is_lost(identity, owner):
            found = await find(request)
            if isinstance(found, CascadeChannel):
                request.app[SERVICES].engine.cancel(found)
            elif elsewhere := found.running:
                await request.app[ELSEWHERE].end(found, "delete")
    if not await writer.delete(identity, owner) and not elsewhere:
        raise not_found(identity)  # another request was quicker
    return json_response({"id": identity, "object": "response", "deleted": True})


async def cancel(request: web.Request) -> web.Response:
    """POST /v1/responses/{id}/cancel; idempotent, and without effect when the response is over."""
    found = await find(request)
    background = found.turn.background if isinstance(found, CascadeChannel) else found.response["background"]
    if not background:
        raise bad_request("Cannot cancel a synchronous response.", param="response_id")
    if isinstance(found, CascadeChannel):
        services = request.app[SERVICES]
        services.engine.cancel(found)
        await request.app[RESPONSE_WRITER].end_saved(found)
        return json_response(current_response(services, found))
    if found.running and (found := await request.app[ELSEWHERE].end(found, "cancel")) is None:
        raise not_found(request.match_info["id"])  # it was deleted meanwhile
    return json_response(found.response)


async def input_items(request: web.Request) -> web.Response:
    """GET /v1/responses/{id}/input_items"""
    check_include(request)
    limit, order = page_size(request), order_of(request)
    found = await find(request)
    items = found.turn.details_as(ResponsesDetails).input if isinstance(found, CascadeChannel) else found.input_items
    return json_response(page(items, limit, newest_first=order == "desc", after=request.query.get("after")))


def page(items: Sequence[Json], limit: int, *, newest_first: bool, after: str | None) -> dict[str, object]:
    """One page of a list in the API's form. Raises FaultError 400 when there is no item ``after``."""
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


async def compact(request: web.Request) -> web.Response:
    """POST /v1/responses/compact: a turn in which the model summarises the dialogue."""
    incoming = await read_turn(request, request.app[SERVICES].surfaces["responses"], parse=summary.parse)
    channel = await start(request.app, incoming)
    return await json_answer(
        request, channel, lambda channel, secret: summary.answer(channel.turn, channel.state, secret)
    )


# -- finding -------------------------------------------------------------------------------------------------------


async def find(request: web.Request) -> CascadeChannel | StoredResponse:
    """The running turn or the stored response with the path's id, of this owner; that it is over is read here when it
    is at other gateways, too. Raises FaultError 404."""
    services, owner, identity = request.app[SERVICES], request[EXCHANGE].owner, request.match_info["id"]
    turn_id = turn_id_of(identity)
    if turn_id is None:
        raise not_found(identity)
    channel = services.store.get(turn_id)
    if channel is not None and not channel.closed:
        turn = channel.turn
        if turn.store and turn.owner == owner:
            return channel
        raise not_found(identity)
    writer = request.app[RESPONSE_WRITER]
    stored = await writer.get(identity, owner)
    if stored is None:
        raise not_found(identity)
    await writer.saved(owner, identity)
    return stored


def current_response(services: Services, channel: CascadeChannel) -> dict[str, object]:
    """The Response as it is now; queued until something has happened, as in its stream."""
    status = "in_progress" if channel.count else "queued"
    return render(channel.turn, channel.state, services.secret, status=status)


def not_found(identity: str) -> FaultError:
    return bad_request(f"Response with id '{identity[:80]}' not found.", code="", status=404)


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


def page_size(request: web.Request) -> int:
    return number(request, "limit", 1, MAX_PAGE) or PAGE


def order_of(request: web.Request) -> str:
    order = request.query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_request(f"Invalid value: '{order[:40]}'. Supported values are: 'asc' and 'desc'.", param="order")
    return order


def check_include(request: web.Request) -> list[str]:
    """Both spellings of the list; its values are checked. Of a response they have no effect: its creation decided what
    is included."""
    values = [value for name in ("include", "include[]") for value in request.query.getall(name, [])]
    for value in values:
        if value not in INCLUDES:
            raise bad_request(f"Invalid value: '{value[:60]}'.", param="include")
    return values
