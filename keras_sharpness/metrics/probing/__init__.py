"""Random probes of a matrix, and how sure what they say is."""
