"""Choosing classes by name: renamed, merged, kept or made void, in one remap."""
