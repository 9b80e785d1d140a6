"""Several processes that share one evaluation, as `torchrun` or MindSpore's `msrun` started them."""
