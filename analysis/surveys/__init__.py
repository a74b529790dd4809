"""Tables of what agents answered to surveys, and how reliable and how varied it is."""
