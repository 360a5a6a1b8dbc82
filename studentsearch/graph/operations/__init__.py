"""One record per operation: how channels pass, how it shrinks, what it costs; one file a family."""
