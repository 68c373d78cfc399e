"""What a client has to know, and variables for a shell."""

from __future__ import annotations

import pytest

from zerogravity.agents.agent import Target, exports


@pytest.mark.parametrize("url", ["http://127.0.0.1:8741", "http://127.0.0.1:8741/run/k3f9"])
def test_base_urls(url: str) -> None:
    target = Target(url)
    assert (target.openai, target.google) == (f"{url}/v1", f"{url}/v1beta")


def test_exports() -> None:
    part = exports({"A": "1", "B": "http://x"})
    assert part.place == "your shell's profile"
    assert part.text == "export A=1\nexport B=http://x\n"
