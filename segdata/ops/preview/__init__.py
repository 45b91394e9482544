"""`segdata preview`: the operation, its values, and how they are told."""
