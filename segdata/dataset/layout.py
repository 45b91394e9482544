"""What lies in a dataset's folder, and what its files are called."""

from __future__ import annotations

import msgspec

CARD, MANIFEST, RECEIPT, JOURNAL, LOG = "dataset.json", "manifest.jsonl", "receipt.json", "journal.jsonl", "journal"

CROISSANT = "croissant.json"
"""What an export is, for catalogues of datasets."""

OWN = (
    CARD, MANIFEST, RECEIPT, JOURNAL, LOG, CROISSANT, "masks", "images", "scores", "vectors", "entropy", "shards", "manifest",
    "signals.jsonl",
)  # fmt: skip
"""Everything that segdata puts in a dataset's folder, and so all that it ever removes there."""

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on what is no record."""
