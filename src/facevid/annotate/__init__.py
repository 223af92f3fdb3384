"""Says what can be seen and heard in the clips of a dataset: attributes, actions, captions, each with who said so."""
