"""Objects on S3-compatible storage: where it is, its addresses, and one request at a time."""
