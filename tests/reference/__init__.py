"""Slow, obvious twins of the kernels. They import nothing but the records' enums."""
