"""What several architectures share."""
