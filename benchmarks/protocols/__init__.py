"""One module per scoring rule. A rule judges one prediction against one gold answer and knows nothing else."""
