"""Where parts meet: each module is one job that a command starts. No presentation, no arithmetic."""
