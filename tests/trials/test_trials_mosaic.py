"""What trials asked of large scenes: a part of them predicted and evaluated, one split in blocks, several put together."""

from __future__ import annotations

UTM = "EPSG:32631"
