"""Enriching the people of a hub by a model: profiles, biographies and elite personas."""
