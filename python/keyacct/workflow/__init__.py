"""Where parts meet: replay → store, samples → store, report batches, the demo."""
