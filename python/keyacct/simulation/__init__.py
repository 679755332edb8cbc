"""Simulated meters and terminals: what they measure, how they answer, what goes wrong on their lines."""
