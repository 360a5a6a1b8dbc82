"""The command line: one command a file; parse, run the job, render."""
