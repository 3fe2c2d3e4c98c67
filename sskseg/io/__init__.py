"""Reading and writing files; nothing else opens them."""
