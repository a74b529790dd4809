"""What changes a society: its network, activation, arrivals and departures, channels, interventions and world state."""
