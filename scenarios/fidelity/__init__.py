"""How near a real model's agents come to people, and to the models of theory: `populace check fidelity`."""
