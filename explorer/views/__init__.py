"""What the explorer shows: one module per tab, and what they share."""
