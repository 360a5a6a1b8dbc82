"""What a network does with its channels: pure functions on traced graphs; no training, no files."""
