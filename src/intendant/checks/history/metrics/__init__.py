"""The metrics of drift, one file each."""
