"""Images with labels: where they come from, how they are varied, how they become batches."""
