"""Teachers by name: networks, the registry of their names, and weights from files of several origins."""
