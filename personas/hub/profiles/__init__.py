"""Profiles, biographies and elite personas in a hub: their rows, whom to ask about, and where two people contradict."""
