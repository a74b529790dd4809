"""Articles from what people know, and reading material that they may like."""
