from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values, texts
from zerogravity import redact, secret_spans
from zerogravity.redact import MASK
from zerogravity.secret_spans import OVERLAP, WINDOW
from zerogravity.surfaces.json_schema import convert

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\nabc\n-----END RSA PRIVATE KEY-----"
SECRETS = [
    "ya29.a0AfB_byC-x.y", "1//0gabcdefghijklmnopqrstuv", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-x_y",
    "sk_live_4eC39HqLyjWDarjtT1", "gsk_abcdefghijklmnopqrstuv", "xai-abcdefghijklmnopqrst",
    "AQ.Ab8RN6KIabcdefghijklmnop",
    "sk-proj-abc123DEF456", "AIzaSyA-1234567890abcdef", "GOCSPX-abcdefghijkl", "ghp_0123456789abcdefABCD",
    "github_pat_11ABCDEFG0123456789", "glpat-abcdefghij0123456789", "xoxb-123456789012-abc", "AKIAIOSFODNN7EXAMPLE",
    "hf_abcdefghijklmnopqrstuvwx", "npm_abcdefghijklmnopqrstuvwxyz0123456789", PEM,
]  # fmt: skip
# One of each kind whose makers have several beginnings for it.
SECRETS += [f"{begin}_0123456789abcdefABCD" for begin in ("gho", "ghu", "ghs", "ghr")]
SECRETS += [f"xox{kind}-123456789012-abc" for kind in "aeprs"] + ["ASIAIOSFODNN7EXAMPLE", "xapp-123456789012-abcd"]
SECRETS += [f"{begin}_4eC39HqLyjWDarjtT1" for begin in ("sk_test", "rk_live", "rk_test")]
UNUSUAL = st.sampled_from(["apiKey", "server_label", "headers", "x" * 65])  # names of members
TEXTS = [
    ("Authorization: Bearer abc.def-1", "Authorization: Bearer [redacted]"),
    ("authorization: bearer 0123456789abcdefghij!", "authorization: bearer [redacted]!"),
    ("Basic dXNlcjpwYXNzd29yZA==", "Basic [redacted]"),
    ("https://user:hunter2@host/path", "https://user:[redacted]@host/path"),
    ("GET /v1beta/models?alt=sse&key=abc123&x=1", "GET /v1beta/models?alt=sse&key=[redacted]&x=1"),
    ("?access_token=abc", "?access_token=[redacted]"),
    ("OPENAI_API_KEY=abcdef\nHOME=/root", "OPENAI_API_KEY=[redacted]\nHOME=/root"),
    ("export DB_PASSWORD=correct", "export DB_PASSWORD=[redacted]"),
    ('{"apiKey": "hunter22", "a": 1}', '{"apiKey": "[redacted]", "a": 1}'),
    ('{\\"clientSecret\\":\\"hunter22\\"}', '{\\"clientSecret\\":\\"[redacted]\\"}'),
    ("password = 'hunter22'", "password = '[redacted]'"),
    ("token: abcdefgh1", "token: [redacted]"),
    ("my \u017fecret = 'hunter22', a secret", "my \u017fecret = '[redacted]', a secret"),
    # letters beyond ASCII that are the same where case is ignored, and one that is two in lower case
    ("my \u017fecret = 'hunter22'", "my \u017fecret = '[redacted]'"),
    ("\u0130\u0130 to\u212aen = 'hunter22'", "\u0130\u0130 to\u212aen = '[redacted]'"),
    ("\u0130 CREDENT\u0130AL = 'hunter22' \u0130", "\u0130 CREDENT\u0130AL = '[redacted]' \u0130"),
    ("\u65e5\u672c \U0001f600 token: abcdefgh1", "\u65e5\u672c \U0001f600 token: [redacted]"),
    (f"{'LONG_' * 60}KEY=abcdef", f"{'LONG_' * 60}KEY=[redacted]"),
    ("private_key: abcdefgh1, access-key: abcdefgh1", "private_key: [redacted], access-key: [redacted]"),
    ("x?my_token=abc&n=1;auth=abc", "x?my_token=[redacted]&n=1;auth=[redacted]"),
    ("token=abcdefgh1token=abcdefgh1 token=abcdefgh1", "token=[redacted] token=[redacted]"),
    ("secret: \"token: 'abcdef'\"", "secret: \"[redacted]'abcdef'\""),
    ('x = "-----BEGIN PRIVATE KEY-----\nabc"', 'x = "[redacted]"'),
    ("a%2Fsk-abcdefgh12%20b", "a%2F[redacted]%20b"),
    (
        '{"password": {"type": "string", "default": "hunter22"}}',
        '{"password": {"type": "string", "default": "[redacted]"}}',
    ),
    ('"{\\"apiKey\\":{\\"const\\":\\"hunter22\\"}}"', '"{\\"apiKey\\":{\\"const\\":\\"[redacted]\\"}}"'),
    ("redis://:hunter22@host/0", "redis://:[redacted]@host/0"),
    ("Set-Cookie: session=abc123; Path=/", "Set-Cookie: [redacted]"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----.", "[redacted]."),
    (
        '{"device_id":"0123","account_uuid":"","session_id":"s"}',
        '{"device_id":"[redacted]","account_uuid":"","session_id":"s"}',
    ),
    ('"{\\"account_uuid\\": \\"0-1\\"}"', '"{\\"account_uuid\\": \\"[redacted]\\"}"'),
    (f"user_{'0f' * 32}_account__session_0-1, user_1", "[redacted], user_1"),
    # however many stand in a row
    (" " + "AKIA" * 15_000, " " + "[redacted]" * 3_000),
    (("ghp_" + "a" * 16 + " ") * 3_000, "[redacted] " * 3_000),
    (f"{'eyJabcdef.abcdef.' * 2}abcdef", "[redacted].abcdef.abcdef"),
    # and what only looks like one
    ("a cookie: eat it", "a cookie: eat it"),
    (
        '{"password": {"type": "string"}, "size": {"default": "large"}}',
        '{"password": {"type": "string"}, "size": {"default": "large"}}',
    ),
    ("a Bearer of bad news", "a Bearer of bad news"),
    ("basic understanding of it", "basic understanding of it"),
    ("task-management-software", "task-management-software"),
    ("promptTokenCount: 12345678", "promptTokenCount: 12345678"),
    ("max_tokens = 12345678", "max_tokens = 12345678"),
    ("token = tokenizer.next_token1()", "token = tokenizer.next_token1()"),
    ("token=abcdefgh1token=abcdefgh1(x)", "token=abcdefgh1token=abcdefgh1(x)"),
    ("http://localhost:8741/v1", "http://localhost:8741/v1"),
    ("the key = 'abcdefgh1', a monkey: abcdefgh1", "the key = 'abcdefgh1', a monkey: abcdefgh1"),
    ("f(my_token=abc, key=abc)", "f(my_token=abc, key=abc)"),
    (f"x{'LONG_' * 60}KEY=abcdef, _KEY=abcdef, KEY=abcdef", f"x{'LONG_' * 60}KEY=abcdef, _KEY=abcdef, KEY=abcdef"),
    ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"),
    ("", ""),
]


@pytest.mark.parametrize(("given_", "expected"), TEXTS)
def test_text(given_, expected):
    assert redact.text(given_) == expected


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:12])
@pytest.mark.parametrize(
    "around", ["{}", "key is {}.", '"{}"', "\n{}\n", "a={}", "({})", "\\n{}", "\\u003d{}", "x: {} y", "/{}"]
)
def test_tokens_are_found_wherever_they_stand(secret, around):
    shown = redact.text(around.format(secret))
    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:12])
def test_the_middle_of_a_word_is_no_token(secret):
    if secret is not PEM:
        assert redact.text("Zm9v" + secret[:4]) == "Zm9v" + secret[:4]


@pytest.mark.parametrize(
    "name",
    ["apiKey", "api_key", "API-Key", "x-goog-api-key", "accessToken", "refresh_token", "Authorization", "clientSecret",
     "db.password", "privateKey", "setCookie", "credentials", "csrfToken", "githubToken", "awsSecretAccessKey",
     "auth", "csrf", "XCSRF", "jwt", "bearer", "cookie", "cookies", "pwd", "passwd", "passphrase", "secretKey",
     "authKey", "signing_key", "encryptionKey", "google_credential", "connectionString", "session-cookie", "device_id",
     "accountUuid"],
)  # fmt: skip
def test_members_by_normalised_name(name):
    assert redact.json_value({"a": [{name: "x"}], "b": "x"}) == {"a": [{name: MASK}], "b": "x"}
    assert redact.json_value({name: 123456}) == {name: MASK}
    assert redact.json_value({name: {"user": "u", "rest": ["v"]}}) == {name: {"user": MASK, "rest": [MASK]}}


@pytest.mark.parametrize(
    "value",
    [
        {"promptTokenCount": 3, "maxOutputTokens": 5, "sessionId": "s", "thoughtSignature": "EgQKAgEC"},
        {"properties": {"password": {"type": "STRING", "description": "the user's"}}, "required": ["password"]},
        {"parameters": {"token": {"anyOf": [{"type": "string"}]}}},
        {"token": True, "secret": None, "password": ""},
        {"key": "value"},
    ],
)
def test_what_is_no_secret_stays(value):
    assert redact.json_value(value) == value


NAMED = "hunter22"


@pytest.mark.parametrize(
    "keyword", ["default", "const", "example", "x-secret", "x-goog-test", "value", "initial", "secret", "minimun"]
)
def test_what_a_schema_of_a_secret_would_say_of_it(keyword):
    """A default is the secret itself, and so may be anything that is not known to be its form."""
    schema = {"type": "string", "description": "the user's", "minLength": 8, keyword: NAMED}
    hidden = {**schema, keyword: MASK}
    tools = [{"name": "login", "parameters": {"type": "object", "properties": {"password": schema, "size": schema}}}]
    shown = redact.json_value(tools)[0]["parameters"]["properties"]
    assert shown["password"] == hidden
    assert shown["size"] == (schema if "secret" not in keyword else hidden)
    assert redact.json_value({"properties": {"password": {**schema, keyword: 123456}}}) == {
        "properties": {"password": hidden}
    }


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "string", "enum": [NAMED, "other"]}, {"type": "string", "enum": [MASK, MASK]}),
        ({"type": "STRING", "examples": [NAMED]}, {"type": "STRING", "examples": [MASK]}),
        ({"type": ["string", "null"], "default": None}, {"type": ["string", "null"], "default": None}),
        ({"anyOf": [{"type": "string", "default": NAMED}, {"type": "null"}]},
         {"anyOf": [{"type": "string", "default": MASK}, {"type": "null"}]}),
        ({"type": "array", "items": {"const": NAMED, "type": "string"}, "maxItems": 2},
         {"type": "array", "items": {"const": MASK, "type": "string"}, "maxItems": 2}),
        ({"type": "object", "properties": {"user": {"description": "who", "default": NAMED}}, "required": ["user"]},
         {"type": "object", "properties": {"user": {"description": "who", "default": MASK}}, "required": ["user"]}),
        ({"type": "object", "default": {"user": NAMED, "deep": [{"a": NAMED}]}},
         {"type": "object", "default": {"user": MASK, "deep": [{"a": MASK}]}}),
        ({"type": "object", "$defs": {"a": {"example": NAMED}}, "properties": {"b": {"$ref": "#/$defs/a"}}},
         {"type": "object", "$defs": {"a": {"example": MASK}}, "properties": {"b": {"$ref": "#/$defs/a"}}}),
        ({"type": "integer", "description": "Its PIN. Must be 1234."},
         {"type": "integer", "description": "Its PIN. Must be [redacted]"}),
        ({"type": "string", "description": 'Which one. examples: ["hunter22"].'},
         {"type": "string", "description": "Which one. examples: [redacted]"}),
        ({"type": "boolean", "default": True}, {"type": "boolean", "default": True}),
    ],
)  # fmt: skip
def test_schemas_of_secrets_keep_their_form(schema, shown):
    for name in ("password", "apiKey", "credentials"):
        value = {"parameters": {"type": "object", "properties": {name: schema}, "required": [name]}}
        once = redact.json_value(value)
        assert once["parameters"] == {"type": "object", "properties": {name: shown}, "required": [name]}
        assert redact.json_value(once) == once


def test_what_translation_says_of_lost_keywords_is_hidden_too():
    """The words for const, enum and examples that Google's schemas have no keyword for."""
    given = {"properties": {"pin_token": {"type": "integer", "const": 123456, "examples": [123456]}}}
    translated = convert({"type": "object", **given}).schema
    assert "123456" in json.dumps(translated)
    assert "123456" not in json.dumps(redact.json_value(translated))


def test_secrets_in_texts_and_names_of_members():
    value = {"a": ["see sk-abcdefgh12"], "sk-abcdefgh12": 1, "sk-abcdefgh13": 2}
    assert redact.json_value(value) == {"a": ["see [redacted]"], MASK: 1, MASK + "'": 2}


def test_headers_for_an_mcp_server_are_all_hidden():
    tool = {"type": "mcp", "server_label": "s", "headers": {"X-Any": "plain", "Accept": "x"}, "authorization": "t"}
    shown = {"X-Any": MASK, "Accept": MASK}
    assert redact.json_value({"tools": [tool]})["tools"][0] == {**tool, "headers": shown, "authorization": MASK}
    assert tool["headers"]["X-Any"] == "plain"


def test_nothing_is_changed_in_place():
    value = {"password": "x", "a": {"token": ["y"]}}
    redact.json_value(value)
    assert value == {"password": "x", "a": {"token": ["y"]}}


def test_endless_nesting_is_cut():
    value = inner = {}
    for _ in range(2000):
        inner["a"] = inner = {}
    assert json.dumps(redact.json_value(value)).count("{") == redact.MAX_DEPTH + 1


def test_headers_by_allowlist():
    shown = redact.headers({
        "Authorization": "Bearer x", "X-Goog-Api-Key": "k", "Cookie": "c", "X-Codeium-Csrf-Token": "t", "X-Own": "v",
        "User-Agent": "codex/1.0", "Content-Type": "application/json", "X-Stainless-Lang": "python",
        "anthropic-beta": "a-1", "X-Claude-Code-Session-Id": "0-1",
        "Host": "localhost:1", "sk-abcdefgh12": "v", "Accept": "sk-abcdefgh12",
    })  # fmt: skip
    assert shown == {
        "authorization": MASK, "x-goog-api-key": MASK, "cookie": MASK, "x-codeium-csrf-token": MASK, "x-own": MASK,
        "user-agent": "codex/1.0", "content-type": "application/json", "x-stainless-lang": "python",
        "anthropic-beta": "a-1", "x-claude-code-session-id": MASK,
        "host": "localhost:1", MASK: MASK, "accept": MASK,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a" : 1.0}', b'{"a" : 1.0}'),
        (b'{"token":"x"}', b'{"token":"[redacted]"}'),
        (b"no json, sk-abcdefgh12", b"no json, [redacted]"),
        (b"\xff\xfe", "\ufffd\ufffd".encode()),
        (b"", b""),
    ],
)
def test_bodies(data, expected):
    assert redact.json_bytes(data) == expected


def test_a_large_body_is_redacted_as_text_and_stays_json(monkeypatch):
    monkeypatch.setattr(redact, "PARSE_LIMIT", 100)
    body = {"messages": ["x" * 200, "sk-abcdefgh12", PEM], "apiKey": "hunter22", "nested": '{"password": "hunter22"}'}
    shown = redact.json_bytes(json.dumps(body).encode())
    assert json.loads(shown)["messages"][0] == "x" * 200
    assert all(secret not in shown for secret in (b"abcdefgh12", b"hunter22", b"MIIEow"))


def test_a_request_is_redacted_by_the_names_of_its_members_however_large_it_is():
    given = {
        "messages": ["x" * (9 << 20), "sk-abcdefgh12", PEM],
        "pin": {"apiKey": "hu"},
        "words": '{"password": "hu22"}',
    }
    masked = redact.body(json.dumps(given).encode())
    assert masked == {**redact.json_value(given), "pin": {"apiKey": MASK}}
    assert masked["messages"][:2] == [given["messages"][0], MASK]
    assert all(secret not in json.dumps(masked) for secret in ("abcdefgh12", "MIIEow", "hu22"))


@pytest.mark.parametrize("offset", [-40, -20, -14, -5, -1, 0, 1, 3])
@pytest.mark.parametrize("edge", [WINDOW, WINDOW + OVERLAP, 2 * WINDOW])
def test_windows_do_not_cut_secrets(edge, offset):
    start = edge + offset
    value = " " * start + "sk-abcdefgh1234567890" + " " * 200_000 + "ya29.abcdefgh"
    assert redact.text(value) == " " * start + MASK + " " * 200_000 + MASK


@pytest.mark.parametrize("offset", range(4))
def test_windows_do_not_cut_words(offset):
    value = " " * (WINDOW - offset) + "task-management-software" + " " * 20_000
    assert redact.text(value) == value


def test_long_texts_are_the_same_in_windows_and_whole():
    value = "".join(f"line {n}: key=value{n} and sk-abcdefgh{n} {PEM if n % 50 == 0 else ''}\n" for n in range(3000))
    assert len(value) > 2 * WINDOW
    assert redact.text(value) == redact._cut(value, secret_spans.spans_within(value))


# -- for all input ---------------------------------------------------------------------------------------------------


def shape(value):
    match value:
        case dict():
            return [shape(item) for item in value.values()]
        case list():
            return [shape(item) for item in value]
        case _:
            return None


@given(json_values)
def test_json_keeps_its_shape_and_twice_is_once(value):
    once = redact.json_value(value)
    assert shape(once) == shape(value)
    assert redact.json_value(once) == once
    json.dumps(once)


ANYTHING = st.recursive(
    texts() | st.sampled_from(SECRETS) | st.integers() | st.floats() | st.none() | st.booleans(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(UNUSUAL | texts(), inner),
)


@given(ANYTHING)
def test_what_is_plain_at_a_glance_is_the_same_when_looked_at_closely(value):
    for whole in (value, [value, {"x": value}]):
        closely = repr(redact._value(whole, redact._OPEN, 0))
        for _ in range(2):  # and when it has been seen before
            assert repr(redact.json_value(whole)) == closely


@pytest.mark.parametrize(
    ("depth", "kept"), [(redact.MAX_DEPTH - 1, True), (redact.MAX_DEPTH, True), (redact.MAX_DEPTH + 1, False)]
)
def test_what_is_nested_as_deeply_as_may_be_is_kept(depth, kept):
    value = "x"
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    assert (redact.json_value(value) == value) is kept


@pytest.mark.parametrize("count", [redact.KNOWN_NAMES - 1, 3 * redact.KNOWN_NAMES])
def test_names_are_remembered_within_a_bound(monkeypatch, count):
    monkeypatch.setattr(redact, "_harmless_names", set())
    for number in range(count):
        value = {f"name {number}": "x", "b": [1.5, None, True]}
        assert redact.json_value(value) is value
        assert redact.json_value({**value, "apiKey": "x"}) == {**value, "apiKey": MASK}
    redact.json_value({f"name {number}": 1 for number in range(count)})
    assert 1 <= len(redact._harmless_names) <= redact.KNOWN_NAMES


@given(st.lists(texts() | st.sampled_from(SECRETS), max_size=6))
def test_text_twice_is_once(parts):
    once = redact.text("".join(parts))
    assert redact.text(once) == once


@given(texts(), st.sampled_from(SECRETS), texts(), st.lists(st.integers(0, 80), max_size=6))
def test_a_secret_is_found_however_its_text_is_cut(before, secret, after, cuts):
    whole = before + " " + secret + " " + after
    borders = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    parts = [whole[a:b] for a, b in pairwise(borders)]
    masked = redact.pieces(parts)
    assert len(masked) == len(parts)
    assert "".join(masked) == redact.text(whole)
    assert secret not in "".join(masked)


@given(st.lists(texts(), max_size=6))
def test_pieces_without_secrets_stay_as_they_are(parts):
    if redact.text("".join(parts)) == "".join(parts):
        assert redact.pieces(parts) == parts


@pytest.mark.parametrize(("words", "times"), [(20_000, 50), (0, 60_000)])
def test_texts_without_secrets_are_remembered_within_a_bound(monkeypatch, words, times):
    monkeypatch.setattr(redact, "_known_clean", set())
    monkeypatch.setattr(redact, "_known_size", 0)
    monkeypatch.setattr(redact, "KNOWN", 4 << 20)
    texts = [f"{number:>9} {'word ' * words}" for number in range(times)]
    for text in texts:
        assert redact.text(text) is text
    assert texts[-1] in redact._known_clean
    sizes = [len(text) + redact.KEPT for text in redact._known_clean]
    assert sum(sizes) <= redact.KNOWN + sizes[0]
    secret = "sk-abcdefgh1234567890 " + "word " * 200
    for _ in range(2):
        assert redact.text(secret).startswith("[redacted] word")
    assert secret not in redact._known_clean


def test_a_body_is_parsed_and_kept_as_text_where_it_is_no_json():
    assert redact.body(b'{"apiKey": "hunter22", "n": 1.10}') == {"apiKey": "[redacted]", "n": 1.1}
    assert redact.body(b"key sk-abcdefgh1234567890 \xff") == "key [redacted] \ufffd"
    assert redact.body(b"null") is None
    large = b'{"apiKey": "sk-abcdefgh1234567890", "x": "' + b"y" * redact.PARSE_LIMIT + b'"}'
    assert "sk-abcdefgh" not in str(redact.body(large))
