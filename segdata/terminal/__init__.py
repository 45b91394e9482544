"""What every command shares: option groups, progress, and values as lines of text."""
