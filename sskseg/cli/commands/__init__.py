"""One module for each command: `run(options)` returns what is printed as JSON."""
