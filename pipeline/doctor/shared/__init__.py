"""What checks look at, and what several of them use."""
