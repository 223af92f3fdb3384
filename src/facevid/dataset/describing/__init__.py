"""What a dataset is, from its tables: figures, dataset card, Croissant, and what its makers say of it."""
