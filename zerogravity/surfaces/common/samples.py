"""The question that sample requests with a tool ask, and the tool that answers it."""

from __future__ import annotations

QUESTION = "What is the weather in Rome? Use the get_weather tool."
TOOL = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
