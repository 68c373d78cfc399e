"""Instructor: ``instructor.py MODE-CASE URL`` runs one case and prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, Literal

import instructor
from openai import AsyncOpenAI
from pydantic import BaseModel

MODE, _, NAME = sys.argv[1].partition("-")
client = instructor.from_openai(
    AsyncOpenAI(base_url=f"{sys.argv[2]}/v1", api_key="any", max_retries=0), mode=instructor.Mode[MODE]
)


class Person(BaseModel):
    name: str
    age: int


class Meeting(BaseModel):
    """A meeting of persons."""

    city: str
    kind: Literal["formal", "casual"]
    persons: list[Person]
    note: str | None = None


asked: dict[str, Any] = {
    "model": "gemini-3-flash",
    "messages": [{"role": "user", "content": "A casual meeting in Rome, of Ada and Bob"}],
    "max_retries": 0,
}


async def whole() -> Any:
    meeting, completion = await client.chat.completions.create_with_completion(response_model=Meeting, **asked)
    return {"value": meeting.model_dump(), "usage": completion.usage.model_dump()}


async def partial() -> Any:
    seen = []
    stream: AsyncIterator[Meeting] = client.chat.completions.create_partial(response_model=Meeting, **asked)
    async for one in stream:
        seen.append(one.model_dump())
    return {"first": seen[0], "value": seen[-1], "count": len(seen)}


async def iterable() -> Any:
    found = []
    async for one in client.chat.completions.create_iterable(response_model=Person, **asked):
        found.append(one.model_dump())
    return {"value": found}


print(json.dumps(asyncio.run(globals()[NAME]())))
