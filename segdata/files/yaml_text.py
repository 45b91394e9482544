"""YAML as plain values, if its aliases do not stand for more than anyone writes."""

from __future__ import annotations

from typing import Any

MOST = 100_000
"""Values in a text, those that aliases stand for counted each time. ("Billion laughs" are 2^30 in ten lines.)"""


def load_yaml(text: str) -> Any:
    """The plain values in a text; None for an empty one. Raises `yaml.YAMLError`, `ValueError`, `RecursionError`.

    Needs PyYAML, which the caller has asked for.
    """
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST:,} values: write out what is meant")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: Any, known: dict[int, int]) -> int:
    """How many nodes there are, aliases replaced; `known` are those of nodes already counted. Of one in itself, too many."""
    if id(node) not in known:
        known[id(node)] = MOST + 1  # stands as long as it is being counted
        parts = (
            node.value
            if node.id == "sequence"
            else [p for pair in node.value for p in pair]
            if node.id == "mapping"
            else ()
        )
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]
