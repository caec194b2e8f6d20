"""Play with the demo in a real browser, as a person does: scripts/browser."""
