"""What an experiment found: effects with intervals, robustness, power, and tables for other tools."""
