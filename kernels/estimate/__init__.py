"""The estimated cost of launches on a device."""
