"""Jobs on what a file holds: the people of a hub, or what a run has made. Every kind of job lives the same life.

`loop` is the loop that all phases run in, `kind` what a kind of job says of itself, `life` how a job begins, goes on
and is done again.
"""
