"""Mapillary Vistas, 1.1 to 2.0: street scenes with label masks (palette PNG), instance masks (16 bit) or polygons."""
