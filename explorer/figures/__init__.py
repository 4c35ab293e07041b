"""What the explorer adds to charts: brushes, and the names of ends."""
