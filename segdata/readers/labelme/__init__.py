"""labelme: a JSON per image, with polygons, masks and other shapes."""
