"""Short texts and how good or bad people found them: the labelled set of a sentiment model (Hutto and Gilbert, 2014).

Sentences of product and film reviews and of editorials, and tweets; each was rated by at least 15 people, whose mean is
here. Measured on all 23,703: 84 texts repeat an earlier one, with a rating that differs by one point at most, which is
what two groups of twenty raters differ by; 4 hold no word; 237 still hold HTML's way of writing & < and >.
"""

import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Gates, Severity, Source, steps

ENTITY = "&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"


class Snippets(pa.DataFrameModel):
    """One text with its rating."""

    snippet_id: str = pa.Field(
        str_matches="^(?:amazon|movie|nyt|tweet)_[0-9]+(?:_[0-9]+)?$",
        description="Where it is from and its number there, for sentences that of the text and that of the sentence.",
    )
    rating: float = pa.Field(
        in_range={"min_value": -4, "max_value": 4},
        description="Mean of the ratings, from -4 (extremely negative) to 4 (extremely positive).",
    )
    text: str = pa.Field(
        str_length={"min_value": 1, "max_value": 1000},
        metadata={"personal": True},
        description="The text; names of users in tweets were replaced, but people write about people.",
    )

    @pa.check("text")
    @classmethod
    def has_words(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Must hold a letter or digit; what is left of a sentence that was cut wrongly often does not."""
        return data.lazyframe.select(pl.col(data.key).str.contains(r"[\p{L}\p{N}]"))

    @pa.check("text")
    @classmethod
    def no_entities(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Must not hold characters written as in HTML, like &amp;."""
        return data.lazyframe.select(~pl.col(data.key).str.contains(ENTITY))


DATASET = Dataset(
    model=Snippets,
    # Quotation marks are part of the texts. No null tokens: "NA" can be all that somebody says.
    source=Source("snippets/{partition}/*.tsv", quote=""),
    steps=(steps.strip("snippet_id", "rating", "text"), steps.nfc("text"), steps.collapse_whitespace("text")),
    dedupe=Dedupe(key=("text",), keep="first", ignore=("snippet_id",)),
    severities={
        # The raters of equal texts agree as well as raters do, so that any of them may stand for all.
        "text.conflict": Severity.WARN,
        "text.no_entities": Severity.WARN,
    },
    gates=Gates(max_quarantined=0.01, max_rejected=0.001, min_records=1000),
)
