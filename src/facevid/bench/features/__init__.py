"""Features of whole videos, of which sets are compared: faces, movement, colours."""
