"""The master station: terminals that dial in, their sessions, what they are asked and what they report."""
