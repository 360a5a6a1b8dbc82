"""What holds for every test."""

import torch

torch.set_num_threads(1)  # on tensors this small more threads only wait for each other
