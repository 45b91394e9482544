"""BDD100K: Berkeley DeepDrive, street scenes in masks, or in JSON with curves or run lengths."""
