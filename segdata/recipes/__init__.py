"""Preprocessing and augmentation: what is done to an image before a model sees it."""
