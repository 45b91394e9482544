"""Folders of images and of masks, named as a trainer wants them, with its config."""
