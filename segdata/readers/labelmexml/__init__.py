"""LabelMe's XML (MIT): polygons and masks of single objects, as LabelMe, CVAT and Datumaro write it."""
