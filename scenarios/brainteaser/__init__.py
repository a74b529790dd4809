"""Brainteasers in the style of trick questions, created with personas."""
