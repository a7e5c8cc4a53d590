"""What people and programs meet: the command line, HTTP, the pages. A face parses, calls the app, and prints."""
