"""A dataset in a browser: explore it, look at one clip, review, and a report on one page."""
