"""LangChain: ``langchain.py KIND-CASE URL`` runs one case and prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

KIND, _, NAME = sys.argv[1].partition("-")
URL = sys.argv[2]
MODEL = "gemini-3-flash"
called: list[Any] = []


def model(**more: Any) -> Any:
    if KIND == "google":
        given = {"google_api_key": "any", "base_url": URL, "include_thoughts": True, "max_retries": 0}
        return ChatGoogleGenerativeAI(model=MODEL, **given, **more)
    if KIND == "anthropic":
        thinking = None if NAME in ("forced", "schema_by_tool") else {"type": "adaptive"}  # it forbids both at once
        return ChatAnthropic(model=MODEL, base_url=URL, api_key="any", max_retries=0, thinking=thinking, **more)
    if KIND == "responses":
        more = {"use_responses_api": True, "reasoning": {"summary": "auto"}, **more}
    return ChatOpenAI(model=MODEL, base_url=f"{URL}/v1", api_key="any", max_retries=0, stream_usage=True, **more)


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    called.append(city)
    return f"18 degrees in {city}"


class Place(BaseModel):
    city: str
    country: str | None
    tags: list[str]


def told(message: AIMessage) -> dict[str, Any]:
    return {
        "text": message.text,
        "kinds": [block["type"] for block in message.content_blocks],
        "calls": [{"name": call["name"], "args": call["args"]} for call in message.tool_calls],
        "usage": message.usage_metadata,
        "id": message.id,
    }


async def text() -> Any:
    return told(await model().ainvoke("Why is the sky blue?"))


async def stream() -> Any:
    whole, texts = None, []
    async for chunk in model().astream("sim:unicode"):
        texts.append(chunk.text)
        whole = chunk if whole is None else whole + chunk
    return {**told(whole), "texts": texts}


async def agent() -> Any:
    graph = create_agent(model(), [get_weather], system_prompt="Be brief.")
    question = HumanMessage("What is the weather in Rome and Oslo? Use the tool.")
    state = await graph.ainvoke({"messages": [question]})
    return {**told(state["messages"][-1]), "called": called, "types": [one.type for one in state["messages"]]}


async def streamed_calls() -> Any:
    whole = None
    async for chunk in model().bind_tools([get_weather]).astream("sim:parallel"):
        whole = chunk if whole is None else whole + chunk
    return told(whole)


async def forced() -> Any:
    return told(await model().bind_tools([get_weather], tool_choice="get_weather").ainvoke("Hello in Rome"))


async def history() -> Any:
    """A second round written by hand: what reached Google."""
    bound = model().bind_tools([get_weather])
    question = HumanMessage("What is the weather in Lima? Use the tool.")
    first = await bound.ainvoke([question])
    (call,) = first.tool_calls
    result = ToolMessage("18 degrees", tool_call_id=call["id"])
    return told(await bound.ainvoke([question, first, result, HumanMessage("sim:echo")]))


async def previous() -> Any:
    first = await model().ainvoke("Remember the word kumquat.")
    link = first.response_metadata["id"]
    return told(await model().ainvoke("sim:echo", previous_response_id=link))


async def schema() -> Any:
    method = "json_schema"
    place = await model().with_structured_output(Place, method=method).ainvoke("A place: Rome")
    return place.model_dump()


async def schema_by_tool() -> Any:
    method = "function_calling"
    place = await model().with_structured_output(Place, method=method).ainvoke("A place: Rome")
    return place.model_dump()


async def picture() -> Any:
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    block = {"type": "image", "base64": dot, "mime_type": "image/png"}
    message = HumanMessage([{"type": "text", "text": "sim:echo"}, block])
    return told(await model().ainvoke([message]))


print(json.dumps(asyncio.run(globals()[NAME]())))
