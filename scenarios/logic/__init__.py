"""Problems of logical reasoning, created with personas."""
