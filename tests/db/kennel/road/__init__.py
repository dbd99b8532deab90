"""A module without a factory."""
