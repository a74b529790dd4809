"""How different the outputs of a run are: by words, by vectors, and beside the similarity of their personas."""
