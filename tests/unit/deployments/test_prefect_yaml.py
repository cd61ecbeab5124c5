import importlib

import yaml

from deployments.deploy import descriptions
from deployments.plan import Planned, Timed
from deployments.prefect_yaml import FILE, as_yaml, made


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == made(), "run `python -m deployments.prefect_yaml`"


def test_what_it_names_is_there_and_takes_what_it_gives() -> None:
    read = yaml.safe_load(made())
    assert len(read["deployments"]) > 5
    for each in read["deployments"]:
        module, _, name = each["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        assert each["parameters"].keys() <= flow.parameters.properties.keys()
        assert each["description"] == " ".join(descriptions()[flow.name].split())


def test_no_folder_of_this_machine_is_written_down() -> None:
    (step,) = yaml.safe_load(made())["pull"]
    assert step == {"prefect.deployments.steps.set_working_directory": {"directory": "."}}
    assert str(FILE.parents[1]) not in made()


def test_odd_characters_stay_what_they_are() -> None:
    each = Planned(
        "n", "nightly", "Says: what? # no comment", 1, tags=("a: b", "#"), parameters={"dataset": "yes"},
        schedule=Timed("* * * * *", "UTC", "n"),
    )  # fmt: skip
    (read,) = yaml.safe_load(as_yaml([each]))["deployments"]
    assert read["description"] == "Says: what? # no comment"
    assert read["tags"] == ["a: b", "#"]
    assert read["parameters"] == {"dataset": "yes"}
    assert read["schedules"] == [{"cron": "* * * * *", "timezone": "UTC", "slug": "n"}]


def test_every_parameter_has_a_help_text() -> None:
    for each in yaml.safe_load(made())["deployments"]:
        module, _, name = each["entrypoint"].rpartition(".")
        for parameter, schema in getattr(importlib.import_module(module), name).parameters.properties.items():
            assert schema.get("description"), f"{name}: {parameter}"
