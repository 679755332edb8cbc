"""Running under systemd: what it is told, and the unit files."""
