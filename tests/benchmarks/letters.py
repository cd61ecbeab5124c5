"""Letters: short ones, some as long as a record may be, and some far too long; one of the benchmarks' memory cases."""

import pandera.polars as pa

from schemas import Dataset, Dedupe, Source


class Letters(pa.DataFrameModel):
    """One letter."""

    letter_id: int = pa.Field(ge=1)
    text: str = pa.Field(str_length={"min_value": 1})


DATASET = Dataset(
    model=Letters,
    source=Source("letters/{partition}/*.csv", null_tokens=("",)),
    dedupe=Dedupe(key=("letter_id",)),
)
