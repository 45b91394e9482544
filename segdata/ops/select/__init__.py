"""`segdata select`: the operation, its values, and how they are told."""
