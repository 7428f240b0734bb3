"""What is made from ``csrc/cdef/*.h``: wrappers, stubs and the reference page."""
