"""Requests to an assistant, with its responses."""
