"""The page's files as one."""

from __future__ import annotations

import json
import re

import pytest

from zerogravity.observe.inspector import assets
from zerogravity.observe.inspector.assets import inert


def test_each_module_is_there_once_and_after_those_it_imports():
    script = assets.bundle()
    order = re.findall(r"^const \$(\w+) = \(\(\) => \{$", script, re.MULTILINE)
    assert sorted(order) == sorted(path.stem for path in assets.STATIC.glob("*.js"))
    for name in order:
        imported = re.findall(r"from \"\./(\w+)\.js\"", assets.read(f"{name}.js").decode())
        assert all(order.index(other) < order.index(name) for other in imported), name
    assert order[-1] == "main"
    assert not re.search(r"^\s*(?:import|export)\b", script, re.MULTILINE)
    assert "</script" not in script
    assert "<!--" not in script


@pytest.mark.parametrize("text", ["</script>", "<!--", "\u2028", "a<b"])
def test_inert_json_is_the_same_json(text):
    raw = json.dumps({"x": text}, ensure_ascii=False).encode()
    assert b"<" not in inert(raw)
    assert json.loads(inert(raw)) == {"x": text}
