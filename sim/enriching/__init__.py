"""The parts of enriching a hub: what is wished, the ledger of the job, its stages, and what it came to."""
