"""The run file: one DuckDB file that is all a run is. Import its modules by name: reading stays light."""
