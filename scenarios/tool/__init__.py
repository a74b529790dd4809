"""Interfaces of tools that people need."""
