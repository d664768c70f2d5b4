"""How many instructions a detection takes: a measure that does not depend on what else the machine does."""
