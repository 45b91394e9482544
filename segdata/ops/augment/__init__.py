"""`segdata augment`: the operation, its values, and how they are printed."""
