"""The one door to the models: how much is sent, what is sent again, what it costs, and what is recorded."""
