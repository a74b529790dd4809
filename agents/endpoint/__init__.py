"""Models by name, and the HTTP under them."""
