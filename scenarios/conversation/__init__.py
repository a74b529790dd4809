"""Conversations between a user and an assistant, or between two people."""
