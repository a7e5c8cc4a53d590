"""What runs SQL: one protocol, and DuckDB as the engine that is always there."""
