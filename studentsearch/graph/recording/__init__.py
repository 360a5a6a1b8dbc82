"""Following a forward pass: from a module to recorded calls, from these to the nodes of a network."""
