"""Speed and memory of the library beside what a user would pick instead: works, rounds, checks."""
