"""Turns raw footage into a dataset: scan, analyze, select, cut, identify, pack."""
