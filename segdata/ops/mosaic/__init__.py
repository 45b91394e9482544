"""`segdata mosaic`: the operation, its values, and how they are told."""
