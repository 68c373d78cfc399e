"""The parameters that Chat and Responses share: what is refused, in the same words on both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.playing import OPENAI, parse, refused


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 7}, "model", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"stream": True, "stream_options": []}, "stream_options", "invalid_type"),
        ({"stream": True, "stream_options": {"include_obfuscation": 1}}, "stream_options.include_obfuscation",
         "invalid_type"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
        ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
        ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
        ({"top_k": 0}, "top_k", "integer_below_min_value"),
        ({"top_k": 2**31}, "top_k", "integer_above_max_value"),
        ({"presence_penalty": 3}, "presence_penalty", "decimal_above_max_value"),
        ({"frequency_penalty": -3}, "frequency_penalty", "decimal_below_min_value"),
        ({"seed": "x"}, "seed", "invalid_type"),
        ({"seed": 2**63}, "seed", "integer_above_max_value"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"top_logprobs": 3}, "top_logprobs", "unsupported_parameter"),
        ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"logit_bias": {"50256": -100}}, "logit_bias", "unsupported_parameter"),
        ({"service_tier": "gold"}, "service_tier", "invalid_value"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation", "unsupported_parameter"),
        ({"moderation": {}}, "moderation", "unsupported_parameter"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_parameter"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": {"a": "v" * 513}}, "metadata.a", "string_above_max_length"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ({"store": "no"}, "store", "invalid_type"),
        ({"store": 1}, "store", "invalid_type"),
        ({"user": 7}, "user", "invalid_type"),
        ({"safety_identifier": 7}, "safety_identifier", "invalid_type"),
        ({"prompt_cache_key": 7}, "prompt_cache_key", "invalid_type"),
        ({"prompt_cache_retention": 7}, "prompt_cache_retention", "invalid_type"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls", "invalid_type"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls", "invalid_type"),
        ({"reasoning": "high"}, "reasoning", "invalid_type"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort", "invalid_value"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary", "invalid_value"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)  # fmt: skip
def test_a_parameter_is_refused_by_name(name: str, body: dict[str, Any], param: str, code: str) -> None:
    fault = refused(name, **body)
    assert (fault.param, fault.code, fault.retryable) == (param, code, False)


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("body", "config"),
    [
        ({}, {}),
        ({"temperature": 0, "top_p": 0}, {"temperature": 0, "topP": 0}),
        ({"temperature": 2, "top_k": 40}, {"temperature": 2, "topK": 40}),
        ({"temperature": None, "seed": None, "n": None}, {}),
        ({"seed": 0}, {"seed": 0}),
        ({"seed": -7}, {"seed": -7}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"presence_penalty": 1, "frequency_penalty": 1}, {}),  # this model does not know them
        ({"model": "gemini-2.5-flash", "presence_penalty": -2, "frequency_penalty": 2},
         {"presencePenalty": -2, "frequencyPenalty": 2}),
    ],
)  # fmt: skip
def test_sampling_goes_into_the_generation_config(name: str, body: dict[str, Any], config: dict[str, Any]) -> None:
    assert parse(name, **body).google_request.get("generationConfig", {}) == config


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    "body",
    [
        {"n": 1}, {"logprobs": False}, {"logprobs": None, "top_logprobs": 0}, {"logit_bias": {}}, {"store": True},
        {"verbosity": "low"}, {"user": "u"}, {"prompt_cache_retention": "24h"}, {"metadata": {}}, {"tools": []},
        {"tool_choice": "auto"}, {"tool_choice": "none"}, {"parallel_tool_calls": False}, {"stop": []},
        {"max_tokens": None},
    ],
    ids=str,
)  # fmt: skip
def test_values_that_ask_for_nothing_change_nothing_upstream(name: str, body: dict[str, Any]) -> None:
    assert parse(name, **body).google_request == parse(name).google_request
