"""The networks on other runtimes, in a plain cascade, to compare speeds."""
