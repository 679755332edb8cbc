"""Where parts meet: a workspace made, a capture replayed into the store, samples imported."""
