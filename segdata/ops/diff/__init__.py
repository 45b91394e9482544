"""`segdata diff`: the operation, its values, and how they are told."""
