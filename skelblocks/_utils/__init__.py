"""General helpers, such as argument checks and optional imports. They know nothing about skeletons."""
