"""The routes of conversations: create, retrieve, update, delete; and of their items. What clients and turns may do with
them is in ``surfaces/responses/conversation.py``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from aiohttp import web

from zerogravity import ids
from zerogravity.errors import bad_request
from zerogravity.server.body import Body, read_json
from zerogravity.server.conversation_writer import CONVERSATIONS
from zerogravity.server.fetch import fetch_media
from zerogravity.server.lookup_budget import LookupBudget
from zerogravity.server.middleware import json_response
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.responses import check_include, order_of, page, page_size
from zerogravity.server.services import EXCHANGE, SERVICES
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.responses import media_urls
from zerogravity.surfaces.responses.conversation import (
    Conversation,
    check_id,
    check_new,
    item_not_found,
    new_items,
    references,
    shown,
)
from zerogravity.wire.narrow import Json


async def create(request: web.Request) -> web.Response:
    """POST /v1/conversations"""
    body = await _body(request, "items", "metadata")
    metadata = fields.metadata(body.members)
    items = await _new_items(request, body)
    made = Conversation(
        ids.new("conv"), request[EXCHANGE].owner, round(request.app[SERVICES].wall(), 3), metadata, items
    )
    await request.app[CONVERSATIONS].create(made, len(body.raw))
    return json_response(made.resource)


async def retrieve(request: web.Request) -> web.Response:
    """GET /v1/conversations/{id}"""
    return json_response((await _found(request)).resource)


async def update(request: web.Request) -> web.Response:
    """POST /v1/conversations/{id}: other metadata, in place of those there are."""
    identity = _id(request)
    body = await _body(request, "metadata")
    if "metadata" not in body.members:
        raise fields.missing("metadata")
    metadata = fields.metadata(body.members)
    changed = await request.app[CONVERSATIONS].edit(
        identity, request[EXCHANGE].owner, lambda one: replace(one, metadata=metadata), len(body.raw), aside=True
    )
    return json_response(changed.resource)


async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/conversations/{id}"""
    identity = _id(request)
    await request.app[CONVERSATIONS].delete(identity, request[EXCHANGE].owner)
    return json_response({"id": identity, "object": "conversation.deleted", "deleted": True})


async def list_items(request: web.Request) -> web.Response:
    """GET /v1/conversations/{id}/items"""
    include, size, newest_first = check_include(request), page_size(request), order_of(request) == "desc"
    items = [shown(item, include) for item in (await _found(request)).visible.values()]
    return json_response(page(items, size, newest_first=newest_first, after=request.query.get("after")))


async def create_items(request: web.Request) -> web.Response:
    """POST /v1/conversations/{id}/items: at its end."""
    include, conversation = check_include(request), await _found(request)
    body = await _body(request, "items")
    if body.members.get("items") is None:
        raise fields.missing("items")
    items = await _new_items(request, body, conversation)
    if not items:
        text = "Invalid 'items': empty array. Expected an array with minimum length 1, but got an empty array."
        raise bad_request(text, param="items", code="empty_array")
    check_new(items, conversation.visible, "items")
    changed = await request.app[CONVERSATIONS].edit(
        conversation.id, conversation.owner, lambda one: one.adding(items), len(body.raw)
    )
    visible = changed.visible
    added = [shown(visible[item["id"]], include) for item in items]
    return json_response(page(added, len(added), newest_first=False, after=None))


async def retrieve_item(request: web.Request) -> web.Response:
    """GET /v1/conversations/{id}/items/{item}"""
    include, wanted = check_include(request), request.match_info["item"]
    if (found := (await _found(request)).visible.get(wanted)) is None:
        raise item_not_found(wanted)
    return json_response(dict(shown(found, include)))


async def delete_item(request: web.Request) -> web.Response:
    """DELETE /v1/conversations/{id}/items/{item}: the model does not get it any more, either."""
    conversation, unwanted = await _found(request), request.match_info["item"]
    if unwanted not in conversation.visible:
        raise item_not_found(unwanted)
    left = await request.app[CONVERSATIONS].edit(conversation.id, conversation.owner, lambda one: one.without(unwanted))
    return json_response(left.resource)


# -- what requests name --------------------------------------------------------------------------------------------


def _id(request: web.Request) -> str:
    identity = request.match_info["id"]
    check_id(identity, "conversation_id")
    return identity


async def _found(request: web.Request) -> Conversation:
    return await request.app[CONVERSATIONS].get(_id(request), request[EXCHANGE].owner)


async def _body(request: web.Request, *known: str) -> Body:
    """A body with these members only. Raises FaultError 400."""
    services = request.app[SERVICES]
    body = await read_json(request, services.config.limits, services.parses)
    for name in body.members:
        if name not in known:
            raise bad_request(f"Unknown parameter: '{name[:80]}'.", param=name[:80], code="unknown_parameter")
    return body


async def _new_items(request: web.Request, body: Body, there: Conversation | None = None) -> tuple[Json, ...]:
    """The items of a body, with what they refer to; with those that are ``there``, no more than a request may hold."""
    services, writer, owner = request.app[SERVICES], request.app[RESPONSE_WRITER], request[EXCHANGE].owner
    budget = LookupBudget(body.raw, services.config.limits)
    if there is not None:
        budget.take(there.sent, "items")
    if services.config.remote_urls:
        surface = replace(services.surfaces["responses"], media=partial(media_urls, entries="items"))
        budget.replace(await fetch_media(body.members, surface, services.fetch))
    found: dict[str, Json | None] = {}
    for path, item_id in references(body.members):
        if item_id not in found:
            found[item_id] = await writer.item(item_id, owner)
        budget.take(found[item_id], path)
    return new_items(
        body.members,
        Context(
            turn_id=ids.new("turn"), created=services.wall(), target=services.catalogue.resolve, owner=owner,
            item=found.get, secret=services.secret,
        ),
    )  # fmt: skip
