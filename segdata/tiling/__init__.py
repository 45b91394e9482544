"""Cutting images into tiles, and putting overlapping parts together again."""
