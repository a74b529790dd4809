"""The OpenAI batch protocol: requests sent by file, answered within a day, at a lower price."""
