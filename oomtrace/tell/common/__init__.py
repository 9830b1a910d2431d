"""What several channels have in common."""
