"""What happens: one runnable script each, written as a user would write it."""
