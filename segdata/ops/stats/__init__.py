"""`segdata stats`: the operation, its values, and how they are told."""
