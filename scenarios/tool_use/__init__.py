"""Conversations in which an assistant calls tools, and their implementations answer."""
