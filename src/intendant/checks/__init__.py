"""The quality checks: detectors that look for themselves (one file each here), and declared rules (folder `rules`)."""
