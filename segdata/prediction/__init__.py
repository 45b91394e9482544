"""Models at work: what predicts, its windows over images of any size, and what an exported model says of itself."""
