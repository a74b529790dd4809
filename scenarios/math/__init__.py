"""Math problems, created with personas."""
