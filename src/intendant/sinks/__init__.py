"""Where rows go that leave the lake: files and databases."""
