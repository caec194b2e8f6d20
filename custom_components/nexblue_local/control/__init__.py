"""Control: keep a charger in its desired state."""
