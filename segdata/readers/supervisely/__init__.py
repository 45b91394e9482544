"""Supervisely: a project, its `meta.json` and its datasets, each with `ann/` and `img/`."""
