"""Control of breakers: typed commands, the one door that they pass, what the simulator says of them, read-back."""
