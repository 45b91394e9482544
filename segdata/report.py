"""Pages and images made from values, for people to look at."""
