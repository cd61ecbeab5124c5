"""Text rules: statements about text that a field of a model can name, beside pandera's own.

Belongs here: one function for each, from a cell's text to whether it passes, and the words of its reason. They are
pandera checks like any other: compiled into the one pass, and judged by pandera itself in the tests. Does not belong
here: lengths (pandera's `str_length`), mending text (steps), or where personal data stands (personal_data).

    text: str = pa.Field(no_html=True, max_symbols=0.3, words={"least": 3, "most": 2000}, language=["en"], no_card=True)

The measures are those of corpora for language models: Rae et al., Scaling Language Models (Gopher), 2021, appendix A,
for words, symbols and repetition; Raffel et al., T5, JMLR 21, 2020, section 2.2, for boilerplate.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

import polars as pl

from schemas.errors import DeclarationError, MissingExtraError
from schemas.pandera_model import register_check
from schemas.personal_data import KINDS, Kind, has

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandera.polars as pa

_HTML = (
    r"(?i)</?[a-z][a-z0-9]{0,14}(?:\s[^<>]{0,500})?/?>|<!--|<!doctype"
    r"|&(?:amp|lt|gt|quot|apos|nbsp|[a-z]{1,6}(?:grave|acute|uml|circ|tilde|cedil)|#[0-9]{1,7}|#x[0-9a-f]{1,6});"
)
# What UTF-8 looks like when it is read as windows-1252 or latin-1: the first byte of a sequence becomes one of a few
# letters, the others a sign or a control character, which do not follow letters in any language. The rest is U+FFFD.
_SIGNS = "\u0080-\u00bf" + "".join(bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xA0))
_MOJIBAKE = (
    f"\u00c3[{_SIGNS}]|\u00c2[\u0080-\u00bf]|\u00e2[{_SIGNS}][{_SIGNS}]|\u00f0[\u0178\u009f][{_SIGNS}]"
    f"|[\u00d0\u00d1][{_SIGNS}][\u00d0\u00d1][{_SIGNS}]|\u00ef\u00bb\u00bf|\ufffd"
)
_BOILERPLATE = (
    "lorem ipsum", "all rights reserved", "terms of use", "terms of service", "privacy policy", "cookie policy",
    "accept all cookies", "uses cookies", "enable javascript", "javascript is disabled", "click here to",
    "subscribe to our newsletter", "unsubscribe", "sign up for our", "share on facebook", "add to cart",
    "skip to content", "this email and any attachments", "sent from my iphone", "page not found", "read more »",
)  # fmt: skip
#: Characters below which the language of a text can't be told.
_TELLING = 40


def _text(data: pa.PolarsData) -> pl.Expr:
    return pl.col(data.key)


def no_html(data: pa.PolarsData, *, wanted: bool) -> pl.LazyFrame:
    """No tag, comment or character reference."""
    _is_true(wanted, "no_html")
    return data.lazyframe.select(~_text(data).str.contains(_HTML))


def no_mojibake(data: pa.PolarsData, *, wanted: bool) -> pl.LazyFrame:
    """No text that was decoded under another encoding than it was written in, and no replacement character."""
    _is_true(wanted, "no_mojibake")
    return data.lazyframe.select(~_text(data).str.contains(_MOJIBAKE))


def no_boilerplate(data: pa.PolarsData, *, phrases: bool | Sequence[str]) -> pl.LazyFrame:
    """None of these phrases, whatever their case; True stands for what the frames of web pages and mails say."""
    wanted = _BOILERPLATE if phrases is True else tuple(phrases or ())
    if not wanted or isinstance(phrases, str):
        raise DeclarationError(f"{phrases!r} are no phrases", expected='True or ["..."]', where="no_boilerplate")
    return data.lazyframe.select(~_text(data).str.to_lowercase().str.contains_any([each.lower() for each in wanted]))


def max_symbols(data: pa.PolarsData, *, share: float) -> pl.LazyFrame:
    """At most such a share of the characters is neither letter, mark, digit nor white space."""
    _is_share(share, "max_symbols")
    symbols = _text(data).str.count_matches(r"[^\p{L}\p{M}\p{N}\s]")
    return data.lazyframe.select(symbols <= _text(data).str.len_chars() * share)


def max_repetition(data: pa.PolarsData, *, share: float) -> pl.LazyFrame:
    """At most such a share of all runs of three words stood in the text before."""
    _is_share(share, "max_repetition")
    words = _text(data).str.to_lowercase().str.extract_all(r"[\p{L}\p{M}\p{N}]+")
    word = pl.element()
    runs = words.list.eval((word + " " + word.shift(-1) + " " + word.shift(-2)).drop_nulls())
    again = runs.list.len() - runs.list.n_unique()
    return data.lazyframe.select(pl.when(_text(data).is_not_null()).then(again <= runs.list.len() * share))


def words(data: pa.PolarsData, *, least: int = 0, most: int | None = None) -> pl.LazyFrame:
    """Between so many words and so many."""
    count = _text(data).str.count_matches(r"[\p{L}\p{M}\p{N}]+")
    return data.lazyframe.select((count >= least) & (True if most is None else count <= most))


def language(data: pa.PolarsData, *, codes: str | Sequence[str]) -> pl.LazyFrame:
    """One of these languages (ISO 639-1), as py3langid tells it; a short text may be in any."""
    wanted = frozenset([codes] if isinstance(codes, str) else codes)
    _check_codes(wanted)
    long = _text(data).str.len_chars() >= _TELLING
    told = (
        pl.when(long).then(_text(data)).map_elements(functools.partial(_is_in, codes=wanted), return_dtype=pl.Boolean)
    )
    return data.lazyframe.select(pl.when(long).then(told).otherwise(long.not_()))


def _no(kind: Kind, data: pa.PolarsData, *, wanted: bool) -> pl.LazyFrame:
    _is_true(wanted, f"no_{kind}")
    return data.lazyframe.select(~has(_text(data), kind))


# --- parameters that can't be meant -----------------------------------------------------------------------------------


def _is_true(wanted: object, where: str) -> None:
    if wanted is not True:
        raise DeclarationError(f"{where}={wanted!r}", expected=f"{where}=True, or nothing", where=where)


def _is_share(share: object, where: str) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise DeclarationError(f"{share!r} is no share", expected="a number from 0 to 1", where=where)


@functools.cache
def _identifier() -> Any:  # noqa: ANN401  # of a library without types
    try:
        langid = importlib.import_module("py3langid.langid")
    except ImportError:
        raise MissingExtraError.of("py3langid", "text") from None
    # One of our own: the library's can be told by anybody in the process to know fewer languages.
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)


def _check_codes(wanted: frozenset[str]) -> None:
    known = frozenset(map(str, _identifier().labels))
    if not wanted or not wanted <= known:
        unknown = ", ".join(sorted(wanted - known)) or "nothing"
        raise DeclarationError(f"{unknown} is no language", expected='ISO 639-1, such as "en"', where="language")


def _is_in(text: str, codes: frozenset[str]) -> bool:
    return _identifier().classify(text)[0] in codes


# --- registered, so that a field can name them ------------------------------------------------------------------------

_NAMES = {
    "key": "a key or password", "email": "an e-mail address", "iban": "an account number (IBAN)",
    "card": "a card number", "ip": "an IP address", "phone": "a telephone number",
}  # fmt: skip

register_check("no_html", no_html, "wanted", "must hold no HTML")
register_check("no_mojibake", no_mojibake, "wanted", "must not have been decoded under another encoding")
register_check("no_boilerplate", no_boilerplate, "phrases", "must hold no boilerplate")
register_check("max_symbols", max_symbols, "share", "must be of symbols by at most {share:.0%}")
register_check("max_repetition", max_repetition, "share", "must repeat itself by at most {share:.0%}")
register_check("words", words, "least", "must have {least} words or more", most="must have {least} to {most} words")
register_check("language", language, "codes", "must be in {codes}")
for _kind in KINDS:
    register_check(f"no_{_kind}", functools.partial(_no, _kind), "wanted", f"must not hold {_NAMES[_kind]}")
