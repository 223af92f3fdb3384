"""Evidence: metrics of generated videos, comparisons of groups, and scaling studies."""
