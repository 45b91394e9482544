"""YAML as plain values, with a limit on what its aliases stand for."""

from __future__ import annotations

from typing import Any

MOST = 100_000
"""The most values in a text; what an alias stands for counts each time. ("Billion laughs" are 2^30 values in ten lines.)"""


def load_yaml(text: str) -> Any:
    """The plain values in a text; None for an empty one. Raises `yaml.YAMLError`, `ValueError`, `RecursionError`.

    Needs PyYAML: callers check that it is installed.
    """
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST:,} values: write the values out")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: Any, known: dict[int, int]) -> int:
    """The number of nodes, aliases replaced; `known` holds those of nodes counted before. A node inside itself gives too many."""
    if id(node) not in known:
        known[id(node)] = MOST + 1  # holds while it is being counted
        parts = (
            node.value
            if node.id == "sequence"
            else [p for pair in node.value for p in pair]
            if node.id == "mapping"
            else ()
        )
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]
