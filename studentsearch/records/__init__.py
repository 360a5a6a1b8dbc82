"""What is written to a student folder and read back, as typed facts without torch."""
