"""The model server: llama.cpp's own server, reached through a door that knows keys, queues, limits and goodbyes."""
