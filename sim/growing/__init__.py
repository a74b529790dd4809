"""Growing people as a job: a hop after another, each in chunks that are committed, so that it can be resumed."""
