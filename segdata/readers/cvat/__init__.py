"""CVAT: its own XML, "CVAT for images 1.1" and "CVAT for video 1.1", of a task, a job or a project."""
