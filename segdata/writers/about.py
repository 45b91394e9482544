"""What only a person knows of a dataset: its license, who made it, where it is published. It goes into croissant.json."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from segdata.errors import OptionError

ORGANIZATION = "org:"


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a dataset; None is not said. Raises `OptionError` for a date, a version or a URL that is none."""

    license: str | None = None
    url: str | None = None
    creator: Sequence[str] = ()
    cite_as: str | None = None
    published: str | None = None
    data_version: str | None = None

    def __post_init__(self) -> None:
        if self.url is not None and not re.match(r"https?://[^\s/]", self.url):
            raise OptionError(f"--url {self.url}: give the address of a web page, such as https://example.org/mydata")
        if self.data_version is not None and not re.fullmatch(
            r"\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?", self.data_version
        ):
            raise OptionError(f"--data-version {self.data_version}: give three numbers, such as 1.0.0")
        if self.published is not None and not _is_day(self.published):
            raise OptionError(f"--published {self.published}: give a day, such as 2026-01-31")
        if empty := [name for name in ("license", "cite_as") if getattr(self, name) == ""]:
            raise OptionError(f"--{empty[0].replace('_', '-')} is empty")
        if "" in [one.removeprefix(ORGANIZATION) for one in self.creator]:
            raise OptionError("--creator is empty: give the name of a person, or org: and that of an organization")

    def given(self) -> dict[str, Any]:
        """What is said, by name."""
        said = {name: getattr(self, name) for name in self.__slots__}
        said["creator"] = list(self.creator)
        return {name: value for name, value in said.items() if value}

    def creators(self) -> list[dict[str, str]]:
        """Who made the dataset, as https://schema.org/Person or https://schema.org/Organization."""
        return [
            {
                "@type": "sc:Organization" if one.startswith(ORGANIZATION) else "sc:Person",
                "name": one.removeprefix(ORGANIZATION),
            }
            for one in self.creator
        ]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
