"""The student as facts, as a module and as source code."""
