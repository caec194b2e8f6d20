"""The integration, where Home Assistant and its test tools look for it."""
