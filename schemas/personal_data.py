"""Personal data in text: where e-mail addresses, telephone, card and account numbers, IP addresses and keys stand.

Belongs here: finding each kind, with its checksum where it has one. Does not belong here: what is done about it: a rule
sets the row aside (text_rules), a step masks it (steps, tasks/normalise/expressions).

Each kind has a cheap pattern for polars, which nearly every cell fails, and an exact finder for what is left. Both are
bounded: no repetition is open, so that no text makes a finder slow (law 8). Sources: Luhn, US patent 2,950,048 (cards);
ISO 13616 and ISO 7064 MOD 97-10 (IBAN); E.164 and the North American Numbering Plan (telephones); RFC 5321 (lengths).
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["key", "email", "iban", "card", "ip", "phone"]
#: In this order they are looked for: a card number must not be taken for a telephone's.
KINDS: tuple[Kind, ...] = ("key", "email", "iban", "card", "ip", "phone")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Finder:
    """How one kind is found.

    Attributes:
        maybe: pattern for polars; a text that does not match it has none.
        pattern: pattern for Python of what may be one.
        proves: whether a match is one.
    """

    maybe: str
    pattern: re.Pattern[str]
    proves: Callable[[str], bool]


def spans(text: str, kind: Kind) -> Iterator[Span]:
    """Where things of a kind stand in a text.

    Example:
        >>> list(spans("Mail ann@example.org or bob@localhost.", "email"))
        [(5, 20)]
    """
    finder = _FINDERS[kind]
    for match in finder.pattern.finditer(text):
        if finder.proves(match.group()):
            yield match.span()


def masked_text(text: str, kind: Kind) -> str:
    """A text with things of a kind replaced by its name.

    Example:
        >>> masked_text("Call +1 212 555 0123 now", "phone")
        'Call [PHONE] now'
    """
    parts, at = [], 0
    for start, stop in spans(text, kind):
        parts += [text[at:start], f"[{kind.upper()}]"]
        at = stop
    return "".join([*parts, text[at:]])


def has(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Whether a text holds a thing of a kind; null where there is no text."""
    maybe = text.str.contains(_FINDERS[kind].maybe)
    found = pl.when(maybe).then(text).map_elements(functools.partial(_any, kind=kind), return_dtype=pl.Boolean)
    return pl.when(maybe).then(found).otherwise(maybe)


def masked(text: pl.Expr, kind: Kind) -> pl.Expr:
    """A text with things of a kind replaced by its name."""
    maybe = text.str.contains(_FINDERS[kind].maybe)
    found = pl.when(maybe).then(text).map_elements(functools.partial(masked_text, kind=kind), return_dtype=pl.String)
    return pl.when(maybe).then(found).otherwise(text)


def _any(text: str, kind: Kind) -> bool:
    return next(spans(text, kind), None) is not None


# --- what proves one --------------------------------------------------------------------------------------------------

#: Length of account numbers -> countries that have it (SWIFT's registry of IBAN formats).
_IBANS = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",  # typos: on purpose
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",  # typos: on purpose
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
_IBAN_LENGTHS = {country: length for length, countries in _IBANS.items() for country in countries.split()}
#: What card numbers begin with, and how many digits they have then.
_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)


def _is_card(found: str) -> bool:
    digits = re.sub(r"[ -]", "", found)
    if not _CARDS.fullmatch(digits) or len(set(digits)) == 1:
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # digits of a double


def _is_iban(found: str) -> bool:
    plain = found.replace(" ", "").upper()
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def _is_ip(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    # `::` alone and short ones, such as a time of day, say nothing.
    return address.version == 4 or found.count(":") >= 3 or (len(found) > 4 and "::" in found)  # as said


def _is_phone(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    if found.startswith(("+", "00")):
        national = digits.removeprefix("00")
        return 8 <= len(national) <= 15 and not national.startswith("0")  # E.164
    ten = digits.removeprefix("1") if len(digits) == 11 else digits  # the plan's ten, or with its 1
    return len(ten) == 10 and ten[0] in "23456789" and ten[3] in "23456789"  # as above


def _is_email(found: str) -> bool:
    local, _, domain = found.rpartition("@")
    return (
        not local.startswith(".") and ".." not in local and not domain.startswith("-") and len(found) <= 254
    )  # RFC 5321


_KEYS = (
    r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,90}"
    r"|sk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,120}|xox[abprs]-[A-Za-z0-9-]{10,80}|AIza[0-9A-Za-z_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000}"
    r"|-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----"
    r"|(?i:api[_-]?key|secret[_-]?key|access[_-]?token|password|passwd)[\"']? ?[=:] ?[\"']?[^\s\"']{8,200}"
)
_FINDERS: dict[Kind, _Finder] = {
    "key": _Finder(
        r"AKIA|ASIA|gh[pousr]_|github_pat_|sk-|xox[abprs]-|AIza|eyJ|PRIVATE KEY"
        r"|(?i:key|token|password|passwd)[\"']? ?[=:]",
        re.compile(rf"(?<![A-Za-z0-9])(?:{_KEYS})"),
        lambda _: True,
    ),
    "email": _Finder(
        "@",
        re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
        ),
        _is_email,
    ),
    "iban": _Finder(
        r"(?i:[a-z]{2}[0-9]{2} ?[a-z0-9]{4})",
        re.compile(
            r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"
        ),
        _is_iban,
    ),
    "card": _Finder(
        r"[0-9](?:[ -]?[0-9]){12}",
        re.compile(r"(?<![0-9.,-])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])(?![.,-][0-9])"),
        _is_card,
    ),
    "ip": _Finder(
        r"[0-9]\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f:]:[0-9A-Fa-f:]",
        re.compile(
            r"(?<![0-9A-Za-z.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})"
            r"(?![0-9A-Za-z:])(?!\.[0-9])"
        ),
        _is_ip,
    ),
    "phone": _Finder(
        r"(?:\+|00)[0-9]|[0-9]{3}\)? ?[-. ]? ?[0-9]{3}[-. ][0-9]{4}",
        re.compile(
            r"(?<![0-9A-Za-z.,+/-])(?:(?:\+|(?<![A-Z0-9] )00)[0-9](?:[ ().-]{0,3}[0-9]){6,16}"
            r"|(?:1[-. ])?(?:\([0-9]{3}\) ?|[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4})(?![0-9A-Za-z])(?![.,/-][0-9])"
        ),
        _is_phone,
    ),
}
