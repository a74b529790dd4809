"""Problems of spatial reasoning, created with personas."""
