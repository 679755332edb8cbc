"""Parts that reports are put together from: voltage, power_factor, load, and what they share (common)."""
