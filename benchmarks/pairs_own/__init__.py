"""Networks that no package of the benchmark's environment holds, as their tutorials and papers write them."""
