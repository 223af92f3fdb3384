"""What a machine can do, and what a build would take on it."""
