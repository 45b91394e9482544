"""Images with polygons that have a class (GeoJSON, GeoPackage, Shapefile ...), in any coordinate system: burnt to masks."""
