"""Many runs of one experiment with other settings: planned, run in parallel, told on one page."""
