"""Orders of a mail-order house: the data set that the benchmarks clean.

Twelve columns of numbers, dates and text; 22 rules that pandera can evaluate, too (13 checks and 9 columns that may not
be missing), and, beside them, those that follow from types and policies.
"""

import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Source, steps

COUNTRIES = ("AT", "BE", "CH", "DE", "DK", "ES", "FR", "GB", "IT", "NL", "PL", "SE")
SHOPS = ("north", "south", "east", "west", "online", "outlet", "airport", "station")
STATES = ("paid", "packed", "shipped", "delivered", "returned")


class Orders(pa.DataFrameModel):
    """One order."""

    order_id: int = pa.Field(ge=1)
    customer_id: str = pa.Field(str_matches="^C[0-9]{7}$")
    shop: str = pa.Field(isin=SHOPS)
    country: str = pa.Field(isin=COUNTRIES)
    ordered_at: pl.Datetime = pa.Field(metadata={"formats": ["%Y-%m-%dT%H:%M:%S"]})
    shipped_on: pl.Date = pa.Field(nullable=True)
    quantity: int = pa.Field(in_range={"min_value": 1, "max_value": 1000})
    unit_price: float = pa.Field(gt=0)
    discount: float = pa.Field(in_range={"min_value": 0, "max_value": 0.9})
    weight: float = pa.Field(nullable=True, gt=0, description="In kilograms.")
    status: str = pa.Field(isin=STATES)
    comment: str = pa.Field(nullable=True, str_length={"min_value": 1, "max_value": 200})

    @pa.dataframe_check
    @classmethod
    def shipped_after_ordered(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """An order can't leave before it came."""
        return data.lazyframe.select(pl.col("shipped_on") >= pl.col("ordered_at").dt.date())

    @pa.dataframe_check
    @classmethod
    def total_plausible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """An order of more than a million was never placed."""
        return data.lazyframe.select(pl.col("quantity") * pl.col("unit_price") * (1 - pl.col("discount")) <= 1e6)

    @pa.dataframe_check
    @classmethod
    def delivered_was_shipped(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """What was delivered or returned must have been shipped."""
        arrived = pl.col("status").is_in(["delivered", "returned"])
        return data.lazyframe.select(~arrived | pl.col("shipped_on").is_not_null())


DATASET = Dataset(
    model=Orders,
    source=Source("orders/{partition}/orders.*", null_tokens=("",)),
    steps=(steps.strip("country", "status"), steps.uppercase("country")),
    dedupe=Dedupe(key=("order_id",)),
)
