"""Vectors of texts, through the same policy as the chat models."""
