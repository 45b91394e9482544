"""Tags as the page sees them: of each sample, how many have each, a filter, and how they are given and taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.dataset.job import folder_name
from segdata.ops.view.answers import Refusal, answer
from segdata.ops.view.asked import asked, refuse_unknown
from segdata.ops.view.session import Session
from segdata.ops.view.tags import Tags
from segdata.words import some


class Tagged(msgspec.Struct, forbid_unknown_fields=True):
    """A tag for samples, or (`on` is false) taken from them."""

    ids: list[str]
    tag: str
    on: bool = True


def routes(session: Session) -> list[Route]:
    """What tags there are, and giving them. Registers what samples are filtered by, and told with."""
    tags = session.tags = session.tags or Tags(default_path(session))
    having = Having(session, tags)
    tags.heard.append(session.touch)
    session.filters["tag"] = having.filter
    session.about["tags"] = lambda: list(tags.known().tags)
    session.facets["tags"] = having.counts
    session.fields["tags"] = lambda row: [n for n, ids in tags.known().tags.items() if session.index.ids[row] in ids]

    def told() -> Response:
        counts = having.counts(np.arange(len(session.index)))
        return answer({"file": str(tags.path), "tags": counts})

    def listed(_: Request) -> Response:
        tags.read()
        return told()

    def change(given: Tagged) -> Response:
        refuse_unknown(session, given.ids)
        tags.change(given.ids, given.tag, given.on)
        return told()

    return [Route("/api/tags", listed), asked("/api/tags", Tagged, change)]


def default_path(session: Session) -> Path:
    """Where tags are kept if nobody says: in the working directory, under the name of the dataset."""
    return Path(f"{folder_name(session.truth)}.tags.csv").absolute()


class Having:
    """Which samples of a session have each tag."""

    def __init__(self, session: Session, tags: Tags) -> None:
        self.session, self.tags = session, tags
        self._found: tuple[Any, Mapping[str, NDArray[np.bool_]]] = (None, {})

    def all(self) -> Mapping[str, NDArray[np.bool_]]:
        """(N,) whether a sample has it, by tag."""
        table, index = self.tags.known(), self.session.index
        known, found = self._found
        if known is None or known[0] is not table or known[1] is not index:
            found = {
                name: np.fromiter((id in having for id in index.ids), np.bool_, len(index))
                for name, having in table.tags.items()
            }
            self._found = (table, index), found
        return found

    def filter(self, value: str) -> NDArray[np.bool_]:
        """(N,) of `tag=NAME`: which samples have it; of `-NAME`: which have not. Raises `Refusal`."""
        found, name = self.all(), value.removeprefix("-")
        if name not in found:
            there = some(found) or "none yet"
            raise Refusal(422, "tag", f"there is no tag {name!r}: there are {there}")
        return ~found[name] if value.startswith("-") else found[name]

    def counts(self, rows: NDArray[np.int64]) -> dict[str, int]:
        """How many samples of these rows have each tag."""
        return {name: int(np.count_nonzero(having[rows])) for name, having in self.all().items()}
