"""The command line: arguments and presentation, nothing else."""
