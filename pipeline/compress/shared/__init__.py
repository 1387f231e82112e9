"""What several techniques need."""
