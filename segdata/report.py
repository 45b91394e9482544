"""Pages and pictures made from values, for people to look at."""
