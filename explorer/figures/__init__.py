"""Charts that only the explorer draws; pure functions of tables."""
