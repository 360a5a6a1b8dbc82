"""What holds for every test."""

import signal

import torch

torch.set_num_threads(1)  # on tensors this small more threads only wait for each other

# A background job of a shell, or one under nohup, starts with signals ignored, and what is ignored stays so in all runs
# and child processes. Tests that send signals begin from the usual handlers, wherever the suite was started.
for _name, _usual in (
    ("SIGINT", signal.default_int_handler),
    ("SIGTERM", signal.SIG_DFL),
    ("SIGHUP", signal.SIG_DFL),
    ("SIGPIPE", signal.SIG_IGN),  # as Python itself starts
):
    if hasattr(signal, _name):
        signal.signal(getattr(signal, _name), _usual)
