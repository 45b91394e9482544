"""Label Studio: tasks with brushes or polygons, and the labelling configuration."""
