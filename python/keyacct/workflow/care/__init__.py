"""Care of devices: clocks, parameters against their reference, freezes; what is found and what was done."""
