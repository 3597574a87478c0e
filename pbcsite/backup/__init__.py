"""Taking the whole site away as one encrypted file, and bringing it back onto an empty one."""
