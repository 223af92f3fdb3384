"""Takes sources, persons and clips out of a dataset, with every trace, and marks by hashes what must stay out."""
