"""Parameters that Chat and Responses share."""

from __future__ import annotations

from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.parameters import (
    ANY,
    ASKS_FOR_NOTHING,
    INT32,
    STRING,
    Kind,
    Parameter,
    choice,
    integer,
    number,
)
from zerogravity.wire.narrow import Json

MAX_STOPS = 4


def _stops(body: Json, name: str, path: str) -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str | list):
        raise fields.invalid_type(name, "a string or an array of strings", value)
    given = [value] if isinstance(value, str) else fields.array(body, name, path=path) or []
    if len(given) > MAX_STOPS:
        text = f"Invalid '{name}': array too long. Expected an array with maximum length {MAX_STOPS}, got {len(given)}."
        raise bad_request(text, param=name, code="array_above_max_length")
    words = [fields.as_string(word, f"{name}[{index}]") for index, word in enumerate(given)]
    if "" in words:
        param = f"{name}[{words.index('')}]"
        text = f"Invalid '{param}': empty string. Expected a string with minimum length 1."
        raise bad_request(text, param=param, code="string_below_min_length")
    return words or None


METADATA = Kind("at most 16 pairs of strings", lambda body, name, _: fields.metadata(body, name))
STOPS = Kind(f"a string, or up to {MAX_STOPS}", _stops)
VERBOSITY = choice("low", "medium", "high")
TEMPERATURE = Parameter("temperature", number(0, 2), config="temperature")
TOP_P = Parameter("top_p", number(0, 1), config="topP")
TOP_K = Parameter("top_k", integer(1, INT32), config="topK")
SEED = Parameter("seed", integer(-(2**63), 2**63 - 1), config="seed")
PRESENCE = Parameter("presence_penalty", number(-2, 2), config="presencePenalty")
FREQUENCY = Parameter("frequency_penalty", number(-2, 2), config="frequencyPenalty")
ONE_ANSWER = "must be 1: there is one answer per request"
NO_LOGPROBS = "is not supported: log probabilities are not available"
CACHE = (Parameter("prompt_cache_retention", STRING), Parameter("prompt_cache_options", ANY))


def of_other_api(name: str, instead: str, api: str) -> Parameter:
    """A parameter that only the other API has: refused, since it would silently do nothing. ``instead``: what to do."""
    return Parameter(
        name, ANY, refused=f"is not a parameter of the {api} API: {instead}",
        asks=lambda value: value not in ASKS_FOR_NOTHING, noted=True,
    )  # fmt: skip


def stream_options(body: Json, *, stream: bool) -> Json:
    """``stream_options``, which only a stream may have. Raises FaultError 400."""
    options = fields.obj(body, "stream_options")
    if options is not None and not stream:
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise bad_request(text, param="stream_options", code="invalid_value")
    fields.boolean(options or {}, "include_obfuscation", path="stream_options")
    return options or {}
