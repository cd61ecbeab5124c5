"""Wide: a data set of 5,000 columns, the declaration of one of the benchmarks' memory cases.

Every tenth column has a rule and may not be missing, the others may.
"""

import pandera.polars as pa

from schemas import Dataset, Dedupe, Source

COLUMNS = 5_000
#: Types by the number of a column; so many of each as of the others.
TYPES = (int, float, str, str)


def name_of(column: int) -> str:
    """What the column of this number is called."""
    return f"c{column:04d}"


def _field(column: int) -> object:
    if column % 10:
        return pa.Field(nullable=True)
    return pa.Field(ge=0) if TYPES[column % len(TYPES)] is not str else pa.Field(str_length={"max_value": 100})


_NAMES = {name_of(column): column for column in range(COLUMNS)}
_MODEL = type(
    "Wide",
    (pa.DataFrameModel,),
    {
        "__module__": __name__,
        "__doc__": "One reading of 5,000 instruments.",
        "__annotations__": {name: TYPES[column % len(TYPES)] for name, column in _NAMES.items()},
        **{name: _field(column) for name, column in _NAMES.items()},
    },
)

DATASET = Dataset(
    model=_MODEL,
    source=Source("wide/{partition}/*.csv", null_tokens=("",)),
    dedupe=Dedupe(key=(name_of(0),)),
)
