"""Label Studio: JSON and JSON-MIN exports, with brushes, polygons, rectangles and ellipses."""
