"""Escape: no value from data is ever more than text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.report.escape import SHOWN, as_markdown


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![](http://example.org/pixel.png)",
        "http://example.org www.example.org a@example.org",
        "**bold** _it_ `code` ~~gone~~ $x^2$",
        "a|b",
        "&lt;b&gt;",
        "\x1b[31mred\x07\r\n\u202etxt.exe\u200b",
    ],
)
def test_hostile_text_is_shown_and_does_nothing(hostile: str) -> None:
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(f"x {as_markdown(hostile)}")
    for tag in ("<script", "<img", "<a ", "<strong", "<em", "<code", "<s>", "<table", "<b"):
        assert tag not in rendered


@given(st.text())
def test_a_value_stays_on_its_line_and_makes_no_html(text: str) -> None:
    escaped = as_markdown(text)
    assert escaped.splitlines() in ([], [escaped])
    assert escaped.isprintable()
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).renderInline(f"x{escaped}x")
    assert "<" not in rendered


def test_long_values_are_cut_and_missing_ones_named() -> None:
    assert len(as_markdown("x" * 1000)) == SHOWN
    assert as_markdown(None) == "missing"
