"""What of an objective is compiled, and what is kept between calls."""
