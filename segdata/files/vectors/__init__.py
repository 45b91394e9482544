"""Polygons, lines and points in files: read, put on the pixels of images, burnt, traced and written."""
