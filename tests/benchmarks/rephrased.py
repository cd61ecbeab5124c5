"""Rephrased: the types and the 22 rules of orders, and that no number comes twice, in the words of other tools.

Belongs here: nothing but types and rules; there is no other way to ask these tools than to write each rule again. Does
not belong here: running the tools (peers), or the rules as Winnow and pandera have them (orders).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tests.benchmarks.orders import COUNTRIES, SHOPS, STATES

if TYPE_CHECKING:
    from pathlib import Path

    import dataframely as dy
    import great_expectations as gx
    from pointblank import Validate

TYPES: dict[str, pl.DataType] = {
    "order_id": pl.Int64(),
    "customer_id": pl.String(),
    "shop": pl.String(),
    "country": pl.String(),
    "ordered_at": pl.Datetime("us"),
    "shipped_on": pl.Date(),
    "quantity": pl.Int64(),
    "unit_price": pl.Float64(),
    "discount": pl.Float64(),
    "weight": pl.Float64(),
    "status": pl.String(),
    "comment": pl.String(),
}
_REQUIRED = tuple(name for name in TYPES if name not in ("shipped_on", "weight", "comment"))
_CUSTOMER = "^C[0-9]{7}$"


def _shipped_after_ordered() -> pl.Expr:
    return pl.col("shipped_on") >= pl.col("ordered_at").dt.date()


def _total_plausible() -> pl.Expr:
    return pl.col("quantity") * pl.col("unit_price") * (1 - pl.col("discount")) <= 1e6


def _delivered_was_shipped() -> pl.Expr:
    return ~pl.col("status").is_in(["delivered", "returned"]) | pl.col("shipped_on").is_not_null()


# --- each tool --------------------------------------------------------------------------------------------------------


def dataframely_schema() -> type[dy.Schema]:
    """The schema for dataframely."""
    import dataframely as dy

    class Schema(dy.Schema):
        order_id = dy.Int64(primary_key=True, min=1)
        customer_id = dy.String(regex=_CUSTOMER)
        shop = dy.String(check=lambda column: column.is_in(SHOPS))
        country = dy.String(check=lambda column: column.is_in(COUNTRIES))
        ordered_at = dy.Datetime(time_unit="us")
        shipped_on = dy.Date(nullable=True)
        quantity = dy.Int64(min=1, max=1000)
        unit_price = dy.Float64(min_exclusive=0)
        discount = dy.Float64(min=0, max=0.9)
        weight = dy.Float64(nullable=True, min_exclusive=0)
        status = dy.String(check=lambda column: column.is_in(STATES))
        comment = dy.String(nullable=True, min_length=1, max_length=200)

        shipped_after_ordered = dy.rule()(lambda _: _shipped_after_ordered())
        total_plausible = dy.rule()(lambda _: _total_plausible())
        delivered_was_shipped = dy.rule()(lambda _: _delivered_was_shipped())

    return Schema


def interrogation(validation: Validate) -> Validate:
    """Pointblank's steps, added to a validation that has none."""
    # An expression that is null breaks no rule elsewhere, and does here.
    return (
        validation.col_vals_not_null(list(_REQUIRED))
        .col_vals_ge("order_id", 1, na_pass=True)
        .col_vals_regex("customer_id", _CUSTOMER, na_pass=True)
        .col_vals_in_set("shop", SHOPS)
        .col_vals_in_set("country", COUNTRIES)
        .col_vals_between("quantity", 1, 1000, na_pass=True)
        .col_vals_gt("unit_price", 0, na_pass=True)
        .col_vals_between("discount", 0, 0.9, na_pass=True)
        .col_vals_gt("weight", 0, na_pass=True)
        .col_vals_in_set("status", STATES)
        .col_vals_expr(pl.col("comment").str.len_chars().is_between(1, 200).fill_null(value=True))
        .col_vals_expr(_shipped_after_ordered().fill_null(value=True))
        .col_vals_expr(_total_plausible().fill_null(value=True))
        .col_vals_expr(_delivered_was_shipped().fill_null(value=True))
        .rows_distinct("order_id")
    )


def suite() -> gx.ExpectationSuite:
    """The suite for Great Expectations, over a frame with a column for the day and one for the total."""
    import great_expectations as gx
    from great_expectations import expectations as expect
    from great_expectations.expectations.row_conditions import Column

    arrived = Column("status").is_in(["delivered", "returned"])
    return gx.ExpectationSuite(
        "orders",
        expectations=[
            *(expect.ExpectColumnValuesToNotBeNull(column=name) for name in _REQUIRED),
            expect.ExpectColumnValuesToBeUnique(column="order_id"),
            expect.ExpectColumnValuesToBeBetween(column="order_id", min_value=1),
            expect.ExpectColumnValuesToMatchRegex(column="customer_id", regex=_CUSTOMER),
            expect.ExpectColumnValuesToBeInSet(column="shop", value_set=list(SHOPS)),
            expect.ExpectColumnValuesToBeInSet(column="country", value_set=list(COUNTRIES)),
            expect.ExpectColumnValuesToBeBetween(column="quantity", min_value=1, max_value=1000),
            expect.ExpectColumnValuesToBeBetween(column="unit_price", min_value=0, strict_min=True),
            expect.ExpectColumnValuesToBeBetween(column="discount", min_value=0, max_value=0.9),
            expect.ExpectColumnValuesToBeBetween(column="weight", min_value=0, strict_min=True),
            expect.ExpectColumnValuesToBeInSet(column="status", value_set=list(STATES)),
            expect.ExpectColumnValueLengthsToBeBetween(column="comment", min_value=1, max_value=200),
            expect.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="shipped_on", column_B="day", or_equal=True, ignore_row_if="either_value_is_missing"
            ),
            expect.ExpectColumnValuesToBeBetween(column="total", max_value=1e6),
            expect.ExpectColumnValuesToNotBeNull(column="shipped_on", row_condition=arrived),
        ],
    )


_SQL_TYPES = {pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.Date: "DATE", pl.Datetime: "TIMESTAMP", pl.String: "VARCHAR"}
_SQL_RULES = {
    **{f"{name}.not_nullable": f"{name} IS NOT NULL" for name in _REQUIRED},
    "order_id.ge": "order_id >= 1",
    "customer_id.str_matches": f"regexp_matches(customer_id, '{_CUSTOMER}')",
    "shop.isin": f"shop IN {SHOPS}",
    "country.isin": f"country IN {COUNTRIES}",
    "quantity.in_range": "quantity BETWEEN 1 AND 1000",
    "unit_price.gt": "unit_price > 0",
    "discount.in_range": "discount BETWEEN 0 AND 0.9",
    "weight.gt": "weight > 0",
    "status.isin": f"status IN {STATES}",
    "comment.str_length": "length(comment) BETWEEN 1 AND 200",
    "shipped_after_ordered": "shipped_on >= CAST(ordered_at AS DATE)",
    "total_plausible": "quantity * unit_price * (1 - discount) <= 1e6",
    "delivered_was_shipped": "status NOT IN ('delivered', 'returned') OR shipped_on IS NOT NULL",
}


def statements(source: Path, target: Path) -> list[str]:
    """What DuckDB is asked, one after another."""
    columns = {name: _SQL_TYPES[type(kind)] for name, kind in TYPES.items()}
    broken = ", ".join(f"CASE WHEN NOT ({rule}) THEN '{name}' END" for name, rule in _SQL_RULES.items())
    read = f"read_csv('{source}', auto_detect = false, header = true, columns = {columns}, store_rejects = true)"
    return [
        f"""CREATE TABLE typed AS
            SELECT DISTINCT * REPLACE (trim(status) AS status, upper(trim(country)) AS country) FROM {read}""",
        "CREATE TABLE conflicting AS SELECT order_id FROM typed GROUP BY order_id HAVING count(*) > 1",
        f"""CREATE VIEW judged AS SELECT *, list_filter(
                [{broken}, CASE WHEN order_id IN (FROM conflicting) THEN 'conflict' END],
                lambda rule: rule IS NOT NULL) AS broken
            FROM typed""",
        f"""COPY (SELECT * EXCLUDE broken FROM judged WHERE len(broken) = 0)
            TO '{target}/good.parquet' (COMPRESSION zstd)""",
        f"COPY (FROM judged WHERE len(broken) > 0) TO '{target}/bad.parquet' (COMPRESSION zstd)",
        f"COPY reject_errors TO '{target}/rejects.parquet' (COMPRESSION zstd)",
    ]
