"""What runs and students are on disk, as typed facts that jobs write and reports read; nothing here needs torch."""
