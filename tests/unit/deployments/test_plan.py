import pandera.polars as pa

from deployments.plan import TAG, Timed, plan
from schemas import Dataset, Schedule, Source

TEXTS = {
    name: f"What {name} does."
    for name in ("nightly", "backfill", "rollback", "erase", "maintain", "replay", "clean-partition")
}


class Tides(pa.DataFrameModel):
    at: str


def declared(schedule: Schedule | None) -> Dataset:
    return Dataset(model=Tides, source=Source("tides/{partition}/*.csv"), schedule=schedule)


def test_each_data_set_has_its_night_and_only_a_declared_one_starts_by_itself() -> None:
    made = plan({"tides": declared(Schedule("5 1 * * *", timezone="Europe/Oslo")), "wells": declared(None)}, TEXTS)
    tides, wells = (each for each in made if each.flow == "nightly")
    assert (tides.full_name, tides.parameters) == ("nightly/nightly-tides", {"dataset": "tides"})
    assert tides.schedule == Timed("5 1 * * *", "Europe/Oslo", "nightly-tides")
    assert tides.entrypoint == "flows.forms.nightly"
    assert wells.schedule is None
    assert {tides.concurrency, wells.concurrency} == {1}


def test_all_have_the_tag_and_a_name_of_their_own() -> None:
    made = plan({"tides": declared(None)}, TEXTS)
    assert all(TAG in each.tags for each in made)
    assert len({each.full_name for each in made}) == len(made)
    assert {"backfill/backfill", "rollback/rollback", "erase/erase", "maintain/maintain"} <= {x.full_name for x in made}
