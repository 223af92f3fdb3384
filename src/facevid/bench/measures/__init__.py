"""What is measured of every video, from what was seen in it."""
