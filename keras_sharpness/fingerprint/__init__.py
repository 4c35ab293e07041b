"""What a model, a loss or an optimizer is, in a form that can be compared."""
