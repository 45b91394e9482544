"""Which class a feature is of, from values of any type."""

from __future__ import annotations

from typing import Any

import pytest

from segdata.errors import OptionError
from segdata.files.vectors.geojson import Feature, Features
from segdata.readers.classes.entries import Entry
from segdata.readers.vector.classes import class_table, color_of, in_order, name_of, one_class


def file(*properties: dict[str, Any]) -> Features:
    return Features(tuple(Feature(i, None, one) for i, one in enumerate(properties)), None)


def names(*values: Any) -> list[str]:
    _, labels = class_table([file(*({"class": value} for value in values))], None, None, "ignore")
    return list(labels.names)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([11, 1, 10, 2, 3], ["1", "2", "3", "10", "11"]),
        (["11", "01", "10", "02"], ["01", "02", "10", "11"]),
        ([3.0, 1, 20.0, None, 3], ["1", "3", "20"]),
        ([1.5, 10, -2], ["-2", "1.5", "10"]),
        ([True, False, None, True], ["False", "True"]),
        (["water", "roof", "10", "9", ""], ["9", "10", "roof", "water"]),
        (["b10", "b9", "A"], ["A", "b10", "b9"]),
        ([{"name": "Tumor"}, {"names": ["Tumor", "Positive"]}, {"colour": 1}], ["Tumor", "Tumor: Positive"]),
    ],
)
def test_classes_are_in_order(values: list[Any], expected: list[str]) -> None:
    assert names(*values) == expected
    assert names(*values[::-1]) == expected


def test_names_of_values() -> None:
    assert [name_of(value) for value in (None, "", 0, 0.0, "0", False, {"name": None})] == [
        None,
        None,
        "0",
        "0",
        "0",
        "False",
        None,
    ]
    assert name_of(1e300) == str(int(1e300))
    assert name_of(float("inf")) == "inf"
    assert sorted(["nan", "1e5", "1_0", "٣", "2"], key=in_order)[0] == "2"


def test_colours_of_qupath() -> None:
    assert color_of({"name": "a", "color": [1, 2, 255]}) == (1, 2, 255)
    assert color_of({"name": "a", "colorRGB": -16711936}) == (0, 255, 0)
    for odd in ("red", None, {"color": [1, 2]}, {"color": [1, 2, 256]}, {"color": "red"}):
        assert color_of(odd) is None
    found = file({"classification": {"name": "b", "color": [9, 8, 7]}}, {"classification": {"name": "a"}}, {})
    classes, labels = class_table([found], None, None, "class")
    assert (classes.property, labels.names, labels.classes[2].color) == (
        "classification",
        ("background", "a", "b"),
        (9, 8, 7),
    )


@pytest.mark.parametrize(
    ("properties", "asked", "expected"),
    [
        ([{"CLASS": "a"}], None, "CLASS"), ([{"Class": "a", "class": "b"}], None, "class"), ([{"use": "a"}], None, None),
        ([{"classification": "a"}], None, None), ([{"class": "a", "use": "b"}], "use", "use"), ([], "use", "use"),
    ],
)  # fmt: skip
def test_the_property(properties: list[dict[str, Any]], asked: str | None, expected: str | None) -> None:
    assert class_table([file(*properties)], asked, None, "class")[0].property == expected


def test_a_property_that_no_feature_has() -> None:
    with pytest.raises(OptionError, match="--class-property Use: no feature has it: did you mean use"):
        class_table([file({"use": 1})], "Use", None, "class")
    with pytest.raises(OptionError, match="no feature has it"):
        class_table([file({})], "use", None, "class")


def test_classes_that_are_given() -> None:
    entries = [Entry(5, "forest", source_name="forest"), Entry(7, "ignore", source_name="unknown")]
    classes, labels = class_table([file({"class": "forest"})], None, entries, "class")
    assert labels.names == ("background", "forest")
    assert (classes.ids["forest"], classes.ids["unknown"], classes.ids["ignore"]) == (1, None, None)


def test_the_note_on_one_class() -> None:
    for properties, noted in (([{"use": 1}], True), ([{}], False), ([{"class": 1, "use": 1}], False)):
        found = [file(*properties)]
        note = one_class(class_table(found, None, None, "class")[0], found)
        assert (note is not None) == noted
        assert not noted or "--class-property names a property that tells them apart (use)" in str(note)
