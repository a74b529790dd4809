"""Surveys of the agents of a society: what is asked of whom and when, in a run and after it."""
