"""Personal data: of a generated corpus with known answers, each kind is found, and what only looks like it is not."""

from __future__ import annotations

import random
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.personal_data import KINDS, Kind, has, masked, masked_text, spans

WORDS = [
    "please",
    "see",
    "the",
    "order",
    "we",
    "sent",
    "on",
    "monday",
    "about",
    "your",
    "invoice",
    "for",
    "two",
    "boxes",
    "of",
    "tea",
    "and",
    "call",
    "back",
]


def luhn(digits: str) -> str:
    """The digits with a check digit behind them."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def iban(country: str, rest: str) -> str:
    number = int("".join(str(int(letter, 36)) for letter in f"{rest}{country}00"))
    return f"{country}{98 - number % 97:02d}{rest}"


def grouped(text: str, size: int = 4) -> str:
    return " ".join(text[at : at + size] for at in range(0, len(text), size))


def real_ones(rng: random.Random) -> dict[Kind, str]:
    """One of each kind, made anew; nothing in it is of anybody."""
    digits = "".join(rng.choices("0123456789", k=40))
    letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=40))
    card = luhn("4" + digits[:14]) if rng.random() < 0.5 else luhn("52" + digits[:13])
    account = iban(*rng.choice([("DE", digits[:18]), ("GB", "WEST" + digits[:14]), ("NL", "ABNA" + digits[:10])]))
    area = f"{rng.randint(2, 9)}{digits[:2]}"
    phone = rng.choice([
        f"+49 30 {digits[2:9]}", f"({area}) {rng.randint(2, 9)}{digits[3:5]}-{digits[5:9]}",
        f"{area}-{rng.randint(2, 9)}{digits[3:5]}-{digits[5:9]}", f"+44 20 {digits[2:6]} {digits[6:10]}",
    ])  # fmt: skip
    return {
        "key": rng.choice(
            ["AKI" + "A" + letters[:16].upper(), "gh" + "p_" + letters[:36], "password: " + letters[:10]]
        ),
        "email": f"{letters[:6]}.{letters[6:9]}@{letters[9:15]}.example",
        "iban": rng.choice([account, grouped(account)]),
        "card": rng.choice([card, grouped(card), grouped(card).replace(" ", "-")]),
        "ip": rng.choice(
            [".".join(str(rng.randint(1, 254)) for _ in range(4)), f"2001:db8::{rng.randint(256, 9999):x}"]
        ),
        "phone": phone,
    }


def decoys(rng: random.Random) -> list[str]:
    """What a careless pattern takes for one."""
    digits = "".join(rng.choices("123456789", k=20))
    wrong = luhn("4" + digits[:14])
    account = iban("DE", digits[:18])
    return [
        "@home", f"{digits[0]}@", f"order {digits[:16]}", f"2026-{rng.randint(10, 12)}-{rng.randint(10, 28)}",
        wrong[:-1] + str((int(wrong[-1]) + 1) % 10), account[:2] + f"{(int(account[2:4]) + 1) % 97:02d}" + account[4:],
        f"10:{rng.randint(10, 59)}:{rng.randint(10, 59)}", f"version 1.{digits[0]}.{digits[1]}", "300.1.2.300",
        f"{digits[:3]},{digits[3:6]},{digits[6:9]}", f"isbn 978-3-{digits[:2]}-{digits[2:8]}-{digits[8]}",
        "a key is lost", f"{digits[:9]}.{digits[9:12]}", "std::vector", "password reset",
        f"1-{digits[:3]}-{digits[3:6]}",
    ]  # fmt: skip


def corpus(rows: int = 3_000) -> pl.DataFrame:
    """Texts, some with a thing of a kind, most with decoys; which ones is known."""
    rng, made = random.Random(11), []
    for row in range(rows):
        parts, truth = rng.choices(WORDS, k=12), None
        parts[3] = rng.choice(decoys(rng))
        if row % 2:
            truth = KINDS[row // 2 % len(KINDS)]
            parts[8] = real_ones(rng)[truth] + rng.choice(["", ".", ",", "!", ")"])
        made.append({"text": " ".join(parts), "truth": truth})
    return pl.DataFrame(made)


@pytest.mark.parametrize("kind", KINDS)
def test_precision_and_recall_on_a_corpus_with_known_answers(kind: Kind) -> None:
    rows = corpus().with_columns(has(pl.col("text"), kind).alias("found"), (pl.col("truth") == kind).fill_null(False))
    found, right = rows["found"].sum(), rows.filter("found", "truth").height
    assert right == rows["truth"].sum() == 250
    # One in some fifty order numbers of sixteen digits is a card's by issuer and checksum: nobody can tell it.
    assert right / found >= (0.98 if kind == "card" else 1.0), rows.filter(pl.col("found") & ~pl.col("truth"))[
        "text"
    ].to_list()[:5]


def test_masking_leaves_none_and_nothing_else_changes() -> None:
    text = pl.col("text")
    for kind in KINDS:
        text = masked(text, kind)
    rows = corpus().with_columns(text.alias("masked"))
    left = rows.select(has(pl.col("masked"), kind).sum().alias(kind) for kind in KINDS)
    assert sum(left.row(0)) == 0
    same = rows.filter(pl.col("truth").is_null(), ~has(pl.col("text"), "card"))
    assert same["text"].equals(same["masked"])
    assert same.height > 1_490
    assert 1_500 <= rows["masked"].str.count_matches(r"\[[A-Z]+\]").sum() <= 1_510


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("Mail ann@example.org.", "email", ["ann@example.org"]),
        ("ann@example.org,bob@example.org", "email", ["ann@example.org", "bob@example.org"]),
        ("a..b@example.org", "email", []),
        ("4111 1111 1111 1111", "card", ["4111 1111 1111 1111"]),
        ("4111 1111 1111 1112", "card", []),
        ("0000 0000 0000 0000", "card", []),
        ("DE89 3704 0044 0532 0130 00", "iban", ["DE89 3704 0044 0532 0130 00"]),
        ("DE89 3704 0044 0532 0130 01", "iban", []),
        ("from 10.0.0.1 to 10.0.0.256", "ip", ["10.0.0.1"]),
        ("at 12:30:45", "ip", []),
        ("fe80::1ff:fe23:4567:890a", "ip", ["fe80::1ff:fe23:4567:890a"]),
        ("(212) 555-0123 or 212.555.0123", "phone", ["(212) 555-0123", "212.555.0123"]),
        ("+4930123456", "phone", ["+4930123456"]),
        ("112-555-0123", "phone", []),
    ],
)
def test_examples(text: str, kind: Kind, found: list[str]) -> None:
    assert [text[start:stop] for start, stop in spans(text, kind)] == found


@given(st.text(alphabet="ab1+@.:-() \n\u00e9", max_size=60), st.sampled_from(KINDS))
def test_the_cheap_pattern_loses_nothing_and_masking_twice_is_masking_once(text: str, kind: Kind) -> None:
    expected = next(spans(text, kind), None) is not None
    row = pl.select(has(pl.lit(text), kind).alias("has"), masked(pl.lit(text), kind).alias("masked")).row(0)
    assert row == (expected, masked_text(text, kind))


def test_a_missing_text_holds_nothing() -> None:
    rows = pl.DataFrame({"text": pl.Series([None, ""], dtype=pl.String)})
    assert rows.select(has(pl.col("text"), "email"))["text"].to_list() == [None, False]
    assert rows.select(masked(pl.col("text"), "email"))["text"].to_list() == [None, ""]


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a.", "@a", "1.1.", ":", "+1(", "AKIA", "eyJa.", "DE89 ", "-----BEGIN "]
)
def test_no_text_makes_a_finder_slow(piece: str) -> None:
    text, begun = piece * (200_000 // len(piece)), time.process_time()
    for kind in KINDS:
        masked_text(text, kind)
    assert time.process_time() - begun < 20  # a defect takes hours
