"""`segdata pick`: which images to label next, its values, and how they are told."""
