"""The published losses: a file each, called what `--method` takes; nothing here is imported before it is chosen."""
