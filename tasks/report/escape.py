"""Escape: values from data, made harmless wherever a person reads them.

Belongs here: the one way in which a value from a dump may enter markdown. Does not belong here: deciding which values
are shown at all (personal columns never are).
"""

from __future__ import annotations

import html
import re

#: Characters of a value that are shown; the ledger has the rest.
SHOWN = 60

#: Markdown syntax that can begin inside a line, and what turns bare text into a link.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#!|~$<>@]|(?<=http):(?=//)|(?<=https):(?=//)|(?<=www)\.)")


def as_markdown(value: object, limit: int = SHOWN) -> str:
    r"""A value as inert markdown text on one line.

    Control characters and invisible ones are shown as escapes, HTML and markdown syntax lose their meaning, and long
    text is cut.

    Args:
        value: what is shown; None is shown as missing.
        limit: characters of it that are shown at most.

    Example:
        >>> as_markdown("<img src=x onerror=alert(1)>|**bold**")
        '&lt;img src=x onerror=alert(1)&gt;\\|\\*\\*bold\\*\\*'
    """
    text = "missing" if value is None else str(value)
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    visible = "".join(character if character.isprintable() else _code(character) for character in cut)
    return _MARKDOWN.sub(_inert, visible.replace("&", "&amp;"))


def _inert(syntax: re.Match[str]) -> str:
    character = syntax.group()
    return html.escape(character) if character in "<>" else f"\\{character}"


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
