"""`segdata check`: the operation, its values, and how they are told."""
