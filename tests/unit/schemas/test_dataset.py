import pandera.polars as pa
import pytest

from schemas import Dataset, Drift, Gates, Source
from schemas.errors import DeclarationError, UnknownNameError
from tasks.report.describe import describe


class Notes(pa.DataFrameModel):
    id: int
    text: str


def dataset(**drift: object) -> Dataset:
    return Dataset(model=Notes, source=Source("{partition}/*", drift=Drift(**drift)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "drift", [{"missing": "ignore"}, {"extra": "null"}, {"reordered": "quarantine"}, {"widened": "ignore"}], ids=str
)
def test_a_policy_that_means_nothing_is_refused(drift: dict[str, str]) -> None:
    with pytest.raises(DeclarationError, match=rf"Drift\({next(iter(drift))}"):
        dataset(**drift)


def test_a_misspelt_kind_of_drift_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean missing"):
        dataset(misssing="null")  # typos: on purpose


def test_another_name_of_an_undeclared_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Drift\(renamed\).*'txet'.*Did you mean text"):
        dataset(renamed={"label": "txet"})


def test_the_name_of_a_declared_column_is_no_other_name() -> None:
    with pytest.raises(DeclarationError, match="'id' is a declared column"):
        dataset(renamed={"id": "text"})


def test_a_card_tells_what_is_declared_and_nothing_of_the_defaults() -> None:
    assert describe(dataset(), "", "").steps == ()
    assert describe(dataset(missing="null", widened="fail", renamed={"label": "text"}), "", "").steps == (
        "missing columns: null",
        "widened columns: fail",
        "a column called 'label' is read as text",
    )


def test_an_action_of_no_gate_is_refused_with_the_nearest() -> None:
    def gated(**actions: str) -> Dataset:
        gates = Gates(max_quarantined=0.1, actions=actions)  # type: ignore[arg-type]  # as a declaration has them
        return Dataset(model=Notes, source=Source("{partition}/*"), gates=gates)

    assert "max_quarantined: the run is held for a person" in describe(gated(max_quarantined="hold"), "", "").gates
    with pytest.raises(
        UnknownNameError, match=r"unknown gate 'max_quarantind'.*Did you mean max_quarantined"
    ):  # typos: on purpose
        gated(max_quarantind="hold")  # typos: on purpose
    with pytest.raises(DeclarationError, match="actions"):
        gated(max_quarantined="ask")
