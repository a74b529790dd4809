"""Tasks, which make data, and the jobs on what they made: solving, evaluation and the checks of finished outputs."""
