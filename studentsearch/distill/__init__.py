"""Distillation losses, one published method a file."""
