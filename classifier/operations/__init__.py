"""Running the site: which workers there are, what they did, whether everything answers."""
