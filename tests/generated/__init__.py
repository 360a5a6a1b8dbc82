"""Networks that hypothesis composes out of every operation with a rule, and what is asked of each."""
