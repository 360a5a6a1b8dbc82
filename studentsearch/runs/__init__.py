"""Run folders on disk: tensors, manifest, metrics and checkpoints, each replaced whole; knows no model."""
