"""The network and its parts, the embedded weights, and the linear baseline."""
