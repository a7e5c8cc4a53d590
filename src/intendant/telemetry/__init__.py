"""What is told to other systems: OpenLineage events."""
